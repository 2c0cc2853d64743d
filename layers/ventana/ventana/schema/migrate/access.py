"""Who may do what: functions are for nobody whom no one has named, and the application has a role of its own.

That role may call the functions that are made for it, read our tables and views, and nothing else. What these are is
found by rule, so that a later migration needs no line here: the tables and views that the migrations make; of their
functions those with a version suffix that run as the owner, or are SQL that writes nothing.

All others are the owner's alone. PL/pgSQL keeps for a session what the types in a function meant at its first call: a
caller with tables in pg_temp that have the names of ours could have code of its own run as the owner.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from ventana.schema.migrate.catalog import EVERYBODY, READS, Catalog
from ventana.schema.migrate.folder import MigrationError
from ventana.schema.migrate.steps import Limits, Say, patiently, prelude

SETTINGS = {
    "statement_timeout": "4s",
    "lock_timeout": "4s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
}
"""What each session of the role begins with: behind a pooler or RDS Proxy functions send no SET, it would pin them."""
LEDGER = "ventana_meta.schema_migrations"
"""Not of the schema, and read by the check of a deployment's health."""
LONGEST_ROLE = 63 - len(READS)
TRIES = 5

OPEN = """
select format('revoke execute on function %%s from %%s', p.oid::regprocedure,
              string_agg(case a.grantee when 0 then 'public' else quote_ident(g.rolname) end, ', '))
  from pg_proc p
 cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
  left join pg_roles g on g.oid = a.grantee
 where p.pronamespace = %(home)s::text::regnamespace and a.privilege_type = 'EXECUTE'
   and (a.grantee = 0 or g.rolname = any(%(everybody)s))
   and 'access to function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' = any(%(closed)s)
 group by p.oid
"""
ROLE = """
select pg_has_role(oid, %(owner)s, 'member'),
       (select array_agg(split_part(s, '=', 1)) from pg_db_role_setting d, unnest(d.setconfig) s
         where d.setrole = r.oid and d.setdatabase = 0)
  from pg_roles r where rolname = %(role)s
"""
MAY_CREATE = (
    "select rolsuper or rolcreaterole, to_regrole('rds_iam') is not null from pg_roles where rolname = current_user"
)
OWNER = "select pg_get_userbyid(relowner) from pg_class where oid = 'kommo_conversations'::regclass"

# Where our tables are elsewhere than everybody looks; of this database alone, for roles are the server's.
PATH = """
select format('alter role %%I in database %%I set search_path = %%s', %(role)s::text, current_database(), home)
  from (select %(home)s::text::regnamespace::text as home) h
 where home <> 'public'
   and not exists (
           select from pg_db_role_setting d, unnest(d.setconfig) s
            where s = 'search_path=' || home and d.setrole = (select oid from pg_roles where rolname = %(role)s)
              and d.setdatabase = (select oid from pg_database where datname = current_database()))
"""

# Statements that are needed yet: granting again what is granted would write to the catalogs, and void all plans.
RIGHTS = """
with role as (select oid, rolname from pg_roles where rolname = %(role)s),
named as (select oid, rolname, quote_ident(rolname) as name from role),
relations as (
    select c.oid, c.oid::regclass as name, c.relacl, c.relkind = 'S' as sequence from pg_class c
     where c.oid = to_regclass(%(ledger)s)
        or c.relnamespace = %(home)s::text::regnamespace
       and (c.relname = any(%(relations)s) and c.relkind in ('r', 'p', 'v')
            or c.relkind = 'S' and exists (
                select from pg_depend d join pg_class t on t.oid = d.refobjid
                 where d.objid = c.oid and d.deptype in ('a', 'i') and t.relname = any(%(relations)s)))
),
excess as (
    select r.oid from relations r, role, lateral aclexplode(r.relacl) a
     where a.grantee = role.oid and (r.sequence or a.privilege_type <> 'SELECT')
    union
    select c.attrelid from relations r, role, pg_attribute c, lateral aclexplode(c.attacl) a
     where c.attrelid = r.oid and a.grantee = role.oid and a.privilege_type <> 'SELECT'
),
functions as (
    select p.oid, p.oid::regprocedure as name, p.proacl,
           p.proname ~ '_v[0-9]+$' and (p.prosecdef or p.provolatile <> 'v' and l.lanname = 'sql') as wanted
      from pg_proc p join pg_language l on l.oid = p.prolang
     where p.pronamespace = %(home)s::text::regnamespace
       and p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' = any(%(functions)s)
),
schemas as (
    select n.oid, quote_ident(n.nspname) as name, n.nspacl, n.nspname <> 'ventana_archive' as wanted
      from pg_namespace n
     where n.nspname in (%(home)s, 'ventana_meta', 'ventana_archive')
)
select 1, format('revoke all on schema %%s from %%s', s.name, named.name) from schemas s, named
 where exists (select from aclexplode(s.nspacl) a
                where a.grantee = named.oid and (not s.wanted or a.privilege_type <> 'USAGE'))
union all
select 1, format('revoke all on %%s %%s from %%s', case when r.sequence then 'sequence' else 'table' end, r.name,
                 named.name)
  from relations r join excess using (oid), named
union all
select 1, format('revoke execute on function %%s from %%s', f.name, named.name) from functions f, named
 where not f.wanted and exists (select from aclexplode(f.proacl) a where a.grantee = named.oid)
union all
select 2, format('grant connect on database %%I to %%s', current_database(), named.name) from named
 where not has_database_privilege(rolname, current_database(), 'connect')
union all
select 2, format('grant usage on schema %%s to %%s', s.name, named.name) from schemas s, named
 where s.wanted and (not has_schema_privilege(rolname, s.oid, 'usage')
                     or exists (select from aclexplode(s.nspacl) a
                                 where a.grantee = named.oid and a.privilege_type <> 'USAGE'))
union all
select 2, format('grant select on table %%s to %%s', r.name, named.name) from relations r, named
 where not r.sequence and (not has_table_privilege(rolname, r.oid, 'select') or r.oid in (select oid from excess))
union all
select 2, format('grant execute on function %%s to %%s', f.name, named.name) from functions f, named
 where f.wanted and not has_function_privilege(rolname, f.oid, 'execute')
 order by 1, 2
"""
UNREADABLE = """
select c.relname from pg_class c, pg_roles g
 where g.rolname = %(role)s and c.relnamespace = %(home)s::text::regnamespace and c.relname = any(%(relations)s)
   and c.relkind in ('r', 'p') and c.relrowsecurity and not g.rolbypassrls
   and not exists (select from pg_policy p
                    where p.polrelid = c.oid and p.polname = g.rolname || %(reads)s and p.polroles = array[g.oid])
 order by 1
"""
# What others gave: to PUBLIC, or to a role that it is in.
TOO_MUCH = """
select 'create objects in the schema ' || %(home)s::text where has_schema_privilege(%(role)s, %(home)s::text, 'create')
union all
select 'write to ' || c.relname from pg_class c
 where (c.oid = to_regclass(%(ledger)s)
        or c.relnamespace = %(home)s::text::regnamespace and c.relname = any(%(relations)s)
       and c.relkind in ('r', 'p', 'v'))
   and (has_table_privilege(%(role)s, c.oid, 'insert, update, delete, truncate, trigger')
        or has_any_column_privilege(%(role)s, c.oid, 'insert, update'))
union all
select 'call ' || p.proname || '()' from pg_proc p join pg_language l on l.oid = p.prolang
 where p.pronamespace = %(home)s::text::regnamespace
   and p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' = any(%(functions)s)
   and not (p.proname ~ '_v[0-9]+$' and (p.prosecdef or p.provolatile <> 'v' and l.lanname = 'sql'))
   and has_function_privilege(%(role)s, p.oid, 'execute')
"""


def close_functions(connection: psycopg.Connection, home: str, made: Catalog) -> None:
    """Take from PUBLIC, and from roles that stand for it, the functions that should not be open to everybody."""
    closed = [name for name in made if name.startswith("access ")]
    parameters = {"home": home, "everybody": list(EVERYBODY), "closed": closed}
    for (statement,) in connection.execute(OPEN, parameters).fetchall():
        connection.execute(str(statement).encode())


@dataclass(frozen=True)
class Access:
    """Gives a role of the application what it needs of `schema`, the components that are ours in the schema `home`."""

    connection: psycopg.Connection
    home: str
    schema: Catalog
    say: Say
    limits: Limits

    def grant(self, role: str) -> None:
        """Make `role` where it is missing, and give it exactly what it needs; changes nothing where that is so.

        Raises MigrationError, which says what an administrator is to run, where we may not, or where the role could do
        more because of what somebody else has granted.
        """
        if len(role) > LONGEST_ROLE:
            raise MigrationError(f"the name {role} is too long for a role: take one of at most {LONGEST_ROLE} letters")
        self._ensure(role)
        ours = {
            "role": role,
            "home": self.home,
            "relations": self._names("table ") + self._names("view "),
            "functions": self._names("function "),
            "reads": READS,
            "ledger": LEDGER,
        }
        statements = [str(statement) for _, statement in self.connection.execute(RIGHTS, ours)]
        statements += [str(statement) for (statement,) in self.connection.execute(PATH, ours)]

        def give() -> None:
            with self.connection.transaction():
                self.connection.execute(prelude([], self.limits))
                for statement in statements:
                    self.connection.execute(statement.encode())

        patiently(self.connection, give, f"rights of {role}", [], self.say, self.limits)
        tables = [str(table) for (table,) in self.connection.execute(UNREADABLE, ours)]
        for table in tables:
            self._let_read(role, table)
        more = [str(what) for (what,) in self.connection.execute(TOO_MUCH, ours)]
        if more:
            raise MigrationError(
                f"{role} may also {', '.join(more)}: somebody granted that to PUBLIC or to a role that it is in; "
                f"take it back there and run it again"
            )
        done = len(statements) + len(tables)
        self.say(f"{role} may read and call what is ours" + (f": {done} changes" if done else ", as before"))

    def _names(self, kind: str) -> list[str]:
        return [name.removeprefix(kind) for name in self.schema if name.startswith(kind)]

    def _ensure(self, role: str) -> None:
        (owner,) = self.connection.execute(OWNER).fetchone() or ("",)
        for attempt in range(1, TRIES + 1):
            found = self.connection.execute(ROLE, {"role": role, "owner": owner}).fetchone()
            if found and found[0]:
                raise MigrationError(f"{role} may do all that {owner} may, who owns the tables: take another role")
            try:
                if found is None:
                    self._create(role)
                else:
                    self._set(role, found[1] or [])
                return
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_):
                # Roles are the server's: a run on another of its databases is making or changing the same.
                if attempt == TRIES:
                    raise

    def _create(self, role: str) -> None:
        may, rds = self.connection.execute(MAY_CREATE).fetchone() or (False, False)
        statements = [SQL("create role {} login").format(Identifier(role))]
        if rds:  # which is how IAM's tokens are taken for a password
            statements.append(SQL("grant rds_iam to {}").format(Identifier(role)))
        statements += _settings(role, SETTINGS)
        told = "; ".join(each.as_string(self.connection) for each in statements)
        if not may:
            raise MigrationError(f"there is no role {role}, and we may not make it; an administrator runs: {told}")
        with self.connection.transaction():
            for statement in statements:
                self.connection.execute(statement)
        self.say(f"made the role {role}")

    def _set(self, role: str, known: list[str]) -> None:
        """What an administrator has set otherwise stays."""
        present = {name.lower() for name in known}
        statements = _settings(role, {name: value for name, value in SETTINGS.items() if name not in present})
        try:
            with self.connection.transaction():
                for statement in statements:
                    self.connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            told = "; ".join(each.as_string(self.connection) for each in statements)
            self.say(f"{role} lacks settings that we may not give it; an administrator runs: {told}")

    def _let_read(self, role: str, table: str) -> None:
        """Where rows are secured, nobody but the owner sees any without a policy."""
        policy = SQL("create policy {} on {} for select to {} using (true)").format(
            Identifier(role + READS), Identifier(self.home, table), Identifier(role)
        )

        def work() -> None:
            with self.connection.transaction():
                self.connection.execute(Composed([prelude([], self.limits), policy]))

        patiently(self.connection, work, f"a policy of {table} for {role}", [table], self.say, self.limits)


def _settings(role: str, settings: dict[str, str]) -> list[Composed]:
    return [
        SQL("alter role {} set {} = {}").format(Identifier(role), SQL(name), Literal(value))
        for name, value in settings.items()
    ]
