select
    window_length_v1('whatsapp') = interval '24 hours' as "function window_length_v1()",
    window_closes_at_v1('whatsapp', '2026-01-01Z', null) = '2026-01-02Z' as "function window_closes_at_v1()",
    to_regprocedure('accept_outbound_v1(uuid,uuid,text,text,text,text,interval,timestamptz)') is not null
        as "function accept_outbound_v1()",
    to_regprocedure('claim_outbound_v1(uuid,interval,interval,timestamptz)') is not null as "function claim_outbound_v1()",
    to_regprocedure('finish_sent_v1(uuid,text,text,timestamptz)') is not null as "function finish_sent_v1()",
    to_regprocedure('finish_unsent_v1(uuid,text,text,text,boolean,integer,timestamptz)') is not null
        as "function finish_unsent_v1()";
