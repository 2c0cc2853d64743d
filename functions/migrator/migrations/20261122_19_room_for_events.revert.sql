alter table events reset (fillfactor);
