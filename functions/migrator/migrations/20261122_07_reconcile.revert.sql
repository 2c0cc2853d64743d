-- Loses nothing that the next release cannot find again: without a cursor the last 24 hours are listed anew.
drop table reconcile_cursors;
