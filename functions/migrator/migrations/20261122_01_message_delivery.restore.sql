-- The kinds of messages that the former schema did not know.
do $$
begin
    if to_regclass('ventana_archive.wider_kinds') is not null then
        update kommo_messages as m set content_type = w.content_type
          from ventana_archive.wider_kinds as w where m.id = w.id;
        drop table ventana_archive.wider_kinds;
    end if;
end;
$$;
