select to_regclass('reconcile_cursors') is not null as "table reconcile_cursors";
