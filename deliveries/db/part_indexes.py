"""Migration operations for indexes of attempts, whose table may be in parts: those are made concurrently part by part.

`AddIndexConcurrently` and `RemoveIndexConcurrently` in their place would fail on a table in parts. On a whole one these
do as they do.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db.models import Index

from deliveries.db import attempt_parts
from deliveries.db.attempt_parts import TABLE, name

_HAVE_IT = """
SELECT c.relname FROM pg_inherits h JOIN pg_index i ON i.indexrelid = h.inhrelid JOIN pg_class c ON c.oid = i.indrelid
WHERE h.inhparent = to_regclass(%s)"""


class AddIndexOfAttempts(AddIndexConcurrently):
    """Makes an index of each part concurrently, and then that of the whole of them. What broke off may be run again."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make it."""
        self._ensure_not_in_transaction(schema_editor)
        found = attempt_parts.read()
        if found is None:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.execute(_made_by(self.index, model, schema_editor, self.index.name, f"ONLY {name(TABLE)}"))
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(_HAVE_IT, [self.index.name])
            have_it = {part for (part,) in cursor.fetchall()}
        for number, part in enumerate([found.rest, *(each.name for each in found.ranges)]):
            if part in have_it:
                continue
            # Parts that are made from now on have the index by themselves, of another name.
            index = f"{self.index.name}_{part.removeprefix(TABLE)[-28:].strip('_')}_{number}"
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name(index)}")
            made = _made_by(self.index, model, schema_editor, index, name(part), concurrently=True)
            schema_editor.execute(made)
            schema_editor.execute(f"ALTER INDEX {name(self.index.name)} ATTACH PARTITION {name(index)}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it."""
        self._ensure_not_in_transaction(schema_editor)
        if attempt_parts.read() is None:
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            schema_editor.execute(f"DROP INDEX IF EXISTS {name(self.index.name)}")


class RemoveIndexOfAttempts(RemoveIndexConcurrently):
    """Drops an index; of a table in parts with a short lock, since it can't be done concurrently there."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it."""
        self._ensure_not_in_transaction(schema_editor)
        if attempt_parts.read() is None:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            schema_editor.execute(f"DROP INDEX IF EXISTS {name(self.name)}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make it again."""
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        AddIndexOfAttempts(self.model_name, index).database_forwards(app_label, schema_editor, from_state, to_state)


def _made_by(
    index: Index, model: Any, schema_editor: Any, called: str, table: str, *, concurrently: bool = False
) -> str:
    """Return what makes an index on a table, in the words that Django has for the model's."""
    statement = index.create_sql(model, schema_editor, concurrently=concurrently)
    words: dict[str, Any] = statement.parts
    words |= {"table": table, "name": name(called)}
    text = str(statement)
    return text if concurrently else text.replace("CREATE INDEX ", "CREATE INDEX IF NOT EXISTS ", 1)
