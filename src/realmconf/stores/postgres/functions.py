"""
The functions of a store's schema: what is written is written in them, in one call and one transaction.

Decides what must stand and what is put down in which order.  Their names have a version: a client calls those that it
knows, and finds out that they are gone when a newer format has replaced them.

All of them take one lock of the store for their transaction, so that what they find stands until they are done, and
numbers rise in the order of commits: each write takes the numbers above the highest version that there is.  They are
to be run with READ COMMITTED, where each statement sees what was committed while the lock was waited for.
"""

from __future__ import annotations

_TAKE = """
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'realmconf: not in this isolation' USING ERRCODE = 'RC002';
  END IF;
  -- Acknowledged is durable, whatever the server's or the role's default is.
  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    word := set_config('synchronous_commit', 'on', true);
  END IF;
  lock := (1380139875::bigint << 32) | {realm}::regclass::oid::bigint;
  IF NOT pg_try_advisory_xact_lock(lock) THEN
    word := set_config('lock_timeout', greatest(1, wait_ms)::text, true);
    PERFORM pg_advisory_xact_lock(lock);
  END IF;
  SELECT coalesce(max(version), 0) INTO base FROM {schema}.realm;
"""

COMMIT = """
CREATE FUNCTION {schema}.commit_1(
  wait_ms integer,
  rests text[], versions bigint[], heads text[], newest bigint,
  made text[], claims text[], changed text[],
  put_names text[], put_generations bigint[], put_digests text[], put_parents text[],
  put_flags bigint[], put_records bytea[],
  receipt_names text[], receipt_ids text[], receipt_requests text[], receipt_outcomes text[],
  receipt_generations bigint[],
  more json
) RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
  word text; lock bigint; base bigint; now_at bigint; here bigint; there bigint; entry record;
BEGIN
  {take}
  IF newest <> base THEN
    RETURN NULL;
  END IF;
  FOR i IN 1 .. cardinality(rests) LOOP
    SELECT version, digest INTO now_at, word FROM {schema}.realm WHERE name = rests[i];
    -- The digest too: a server that was set back gives its numbers again.
    IF coalesce(now_at, 0) <> versions[i] OR coalesce(word, '') <> heads[i] THEN
      RETURN NULL;
    END IF;
  END LOOP;
  IF cardinality(claims) > 0 THEN
    IF EXISTS (
      SELECT FROM unnest(claims) AS claimed(name), {schema}.name AS taken
      WHERE taken.folded = lower(claimed.name COLLATE "C") AND taken.name <> claimed.name
    ) THEN
      RETURN NULL;
    END IF;
    INSERT INTO {schema}.name(folded, name) SELECT lower(claimed COLLATE "C"), claimed FROM unnest(claims) AS claimed
      ON CONFLICT DO NOTHING;
  END IF;
  -- One number for each revision, and one for each history that begins here.
  now_at := base + greatest(1, cardinality(put_names), cardinality(made) + 1);
  IF cardinality(made) > 0 THEN
    INSERT INTO {schema}.realm(name, key, version)
      SELECT new.name, base + new.number, now_at FROM unnest(made) WITH ORDINALITY AS new(name, number)
      ON CONFLICT DO NOTHING;
  END IF;
  IF more IS NOT NULL THEN
    IF more -> 'renamed' IS NOT NULL THEN
      SELECT key INTO here FROM {schema}.realm WHERE name = more -> 'renamed' ->> 0;
      SELECT key INTO there FROM {schema}.realm WHERE name = more -> 'renamed' ->> 1;
      -- What is known of ids under a name that was never written belongs to the history that takes it.
      INSERT INTO {schema}.receipt(key, write_id, request, outcome, generation)
        SELECT here, write_id, request, outcome, generation FROM {schema}.receipt WHERE key = there
        ON CONFLICT DO NOTHING;
      DELETE FROM {schema}.receipt WHERE key = there;
      DELETE FROM {schema}.realm WHERE name = more -> 'renamed' ->> 1;
      UPDATE {schema}.realm SET name = more -> 'renamed' ->> 1, version = now_at WHERE key = here;
      there := base + cardinality(made) + 1;
      INSERT INTO {schema}.realm(name, key, version, floor)
        VALUES (more -> 'renamed' ->> 0, there, now_at, (more -> 'renamed' ->> 2)::bigint);
      INSERT INTO {schema}.realm_schema(key, number, digest)
        SELECT there, number, digest FROM {schema}.realm_schema WHERE key = here;
    END IF;
    FOR entry IN SELECT each.key AS name, each.value::bigint AS floor FROM json_each_text(more -> 'floors') AS each LOOP
      DELETE FROM {schema}.revision USING {schema}.realm
        WHERE realm.name = entry.name AND revision.key = realm.key AND revision.generation < entry.floor;
      UPDATE {schema}.realm SET floor = entry.floor WHERE name = entry.name;
    END LOOP;
  END IF;
  FOR i IN 1 .. cardinality(receipt_names) LOOP
    -- The fence: an id is told once.
    INSERT INTO {schema}.receipt(key, write_id, request, outcome, generation)
      SELECT key, receipt_ids[i], receipt_requests[i], receipt_outcomes[i], receipt_generations[i]
      FROM {schema}.realm WHERE name = receipt_names[i]
      ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      IF i = 1 AND cardinality(made) = 0 AND cardinality(claims) = 0 AND more IS NULL THEN
        RETURN NULL;
      END IF;
      RAISE EXCEPTION 'realmconf: a write id is known' USING ERRCODE = 'RC001';
    END IF;
  END LOOP;
  FOR i IN 1 .. cardinality(put_names) LOOP
    IF put_flags[i] & 2 = 0 THEN
      SELECT key INTO here FROM {schema}.realm WHERE name = put_names[i];
    ELSE
      UPDATE {schema}.realm SET
        version = now_at, generation = put_generations[i], digest = put_digests[i],
        parent = put_parents[i], is_live = put_flags[i] & 1 = 1
        WHERE name = put_names[i] RETURNING key INTO here;
    END IF;
    INSERT INTO {schema}.revision(key, generation, position, record)
      VALUES (here, put_generations[i], base + i, put_records[i]);
  END LOOP;
  IF more IS NOT NULL THEN
    FOR entry IN SELECT each.key AS name, each.value AS moved_to FROM json_each_text(more -> 'moved') AS each LOOP
      UPDATE {schema}.realm SET moved_to = entry.moved_to WHERE name = entry.name;
    END LOOP;
    FOR entry IN
      SELECT told.value ->> 0 AS name, told.value ->> 1 AS digest, decode(told.value ->> 2, 'base64') AS record
      FROM json_array_elements(more -> 'schemas') WITH ORDINALITY AS told(value, number) ORDER BY told.number
    LOOP
      INSERT INTO {schema}.schema(digest, record) VALUES (entry.digest, entry.record) ON CONFLICT DO NOTHING;
      SELECT key INTO here FROM {schema}.realm WHERE name = entry.name;
      INSERT INTO {schema}.realm_schema(key, number, digest)
        SELECT here, coalesce(max(number), 0) + 1, entry.digest FROM {schema}.realm_schema WHERE key = here
        ON CONFLICT DO NOTHING;
    END LOOP;
    INSERT INTO {schema}.receipt AS kept(key, write_id, request, outcome, generation)
      SELECT realm.key, told.value ->> 1, told.value ->> 2, told.value ->> 3, (told.value ->> 4)::bigint
      FROM json_array_elements(more -> 'told') AS told(value)
      JOIN {schema}.realm ON realm.name = told.value ->> 0
      ON CONFLICT (key, write_id) DO UPDATE SET request = excluded.request
      WHERE kept.request = '' AND excluded.request <> '' AND kept.outcome = excluded.outcome;
    INSERT INTO {schema}.meta(name, value)
      SELECT 'request_key:' || each.key, decode(each.value, 'base64') FROM json_each_text(more -> 'keys') AS each
      ON CONFLICT DO NOTHING;
  END IF;
  IF cardinality(changed) > 0 THEN
    UPDATE {schema}.realm SET version = now_at WHERE name = ANY (changed);
  END IF;
  RETURN now_at;
END
$body$
"""

COMPACT = """
CREATE FUNCTION {schema}.compact_1(
  wait_ms integer, which text, below bigint, rows_max bigint, receipts_kept bigint,
  OUT reached bigint, OUT removed bigint, OUT is_done boolean
) LANGUAGE plpgsql AS $body$
DECLARE
  word text; lock bigint; base bigint; here record; target bigint; cut bigint;
BEGIN
  {take}
  SELECT key, generation, floor INTO here FROM {schema}.realm WHERE name = which AND generation > 0;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  target := least(below, here.generation);
  reached := greatest(here.floor, least(target, here.floor + rows_max));
  is_done := reached >= target;
  removed := 0;
  IF reached = here.floor THEN
    RETURN;
  END IF;
  DELETE FROM {schema}.revision WHERE key = here.key AND generation < reached;
  GET DIAGNOSTICS removed = ROW_COUNT;
  UPDATE {schema}.realm SET floor = reached, version = base + 1 WHERE name = which;
  IF is_done THEN
    SELECT generation INTO cut FROM {schema}.receipt WHERE key = here.key
      ORDER BY generation DESC LIMIT 1 OFFSET receipts_kept;
    IF FOUND THEN
      DELETE FROM {schema}.receipt WHERE key = here.key AND generation < cut;
    END IF;
  END IF;
END
$body$
"""

PURGE = """
CREATE FUNCTION {schema}.purge_1(wait_ms integer, which text, at_generation bigint, erased bytea)
RETURNS boolean LANGUAGE plpgsql AS $body$
DECLARE
  word text; lock bigint; base bigint;
BEGIN
  {take}
  UPDATE {schema}.revision SET record = erased FROM {schema}.realm
    WHERE realm.name = which AND revision.key = realm.key AND revision.generation = at_generation;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE {schema}.realm SET version = base + 1 WHERE name = which;
  RETURN true;
END
$body$
"""

ALL = tuple(one.replace("{take}", _TAKE) for one in (COMMIT, COMPACT, PURGE))
