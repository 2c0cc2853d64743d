drop function replace_templates_v1(text, jsonb, timestamptz);
drop table template_refreshes;
drop table message_templates;
