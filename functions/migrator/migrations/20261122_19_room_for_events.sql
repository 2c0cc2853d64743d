-- An event is written three times: told, claimed, published. With room left on its page for the second, that writes no
-- index entry, which is more than the index on what was published costs the third. For pages that come to be used.

-- step: room on the pages of events
alter table events set (fillfactor = 80);
