-- anew: conversation_counts, conversation_count_changes
create or replace view active_conversations_by_provider as
select
    p.provider,
    count(c.id) as total,
    count(c.id) filter (where c.status = 'active') as active,
    count(c.id) filter (where c.status = 'escalated') as escalated,
    count(c.id) filter (where c.last_user_message_at > now() - interval '24 hours') as within_24h
from (values ('kommo', 1), ('twilio', 2), ('meta', 3)) as p (provider, place)
left join kommo_conversations as c on p.provider = c.provider
group by p.provider, p.place
order by p.place;
drop trigger trigger_count_no_conversations on kommo_conversations;
drop trigger trigger_count_conversation_moves on kommo_conversations;
drop trigger trigger_count_conversations on kommo_conversations;
drop function recount_conversations_v1();
drop function add_conversation_counts_v1();
drop function note_conversation_count();
drop table conversation_count_changes;
drop table conversation_counts;
drop index idx_conversations_provider_last_user_message;
