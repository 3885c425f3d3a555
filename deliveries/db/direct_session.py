"""Sessions that hand statements to libpq themselves: psycopg's cursors cost as much again as a short statement does.

Values are written and read by psycopg's own adapters, and it waits for the answers; what is left out is what a cursor
makes anew at each call: the query's translation, the row's type, and its columns.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from psycopg import errors, generators, pq
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer

from deliveries.db.outages import PatientSession

Asked = tuple[str, Mapping[str, Any]]
"""A statement with psycopg's parameters, `%(name)s`, and their values."""

PREPARED_MAX: Final = 400
"""Statements that a session keeps prepared, the same with other types of values counted anew; others are run as they
come."""

_PARAMETER = re.compile(r"%\((\w+)\)s")
_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)


@lru_cache(maxsize=256)
def native(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with PostgreSQL's own parameters, `$1` the first, and their names in this order."""
    places: dict[str, str] = {}
    text = _PARAMETER.sub(lambda found: places.setdefault(found[1], f"${len(places) + 1}"), statement)
    return text.encode(), tuple(places)


@lru_cache(maxsize=256)
def _row_class(*names: str) -> Any:
    return namedtuple("Row", names, rename=True)


class _Statement:
    """A statement as this session knows it: its name there, and how its rows are read."""

    def __init__(self, session: DirectSession, text: bytes, name: bytes) -> None:
        self.text, self.name = text, name
        self.is_prepared = False
        self._transformer = Transformer(session)
        self._make_row: Callable[[Sequence[Any]], Any] | None = None

    def rows(self, result: pq.abc.PGresult) -> list[Any]:
        """Return a result's rows as named tuples."""
        is_first = self._make_row is None
        self._transformer.set_pgresult(result, set_loaders=is_first)
        if self._make_row is None:
            names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
            self._make_row = _row_class(*names)._make
        return self._transformer.load_rows(0, result.ntuples, self._make_row)


class DirectSession(PatientSession):
    """A session in autocommit for `run`. `prepares`: statements are prepared, each at its first use."""

    prepares = True

    def __init__(self, pgconn: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(pgconn, *args, **kwargs)
        self._statements: dict[tuple[bytes, tuple[int, ...]], _Statement] = {}
        self._dumper = Transformer(self)

    def run(self, *transactions: Sequence[Asked]) -> list[list[Any]]:
        """Run statements, those of a transaction together, in one round trip; return the rows of each.

        What follows a failed transaction is run all the same. Raises psycopg.Error, the first that came.
        """
        planned = [[self._planned(*asked) for asked in transaction] for transaction in transactions]
        try:
            return self.wait(self._running(planned))
        except BaseException:
            if self.pgconn.transaction_status != pq.TransactionStatus.IDLE or self.pgconn.pipeline_status:
                self.close()  # broken off amid a conversation: nobody can go on with it
            raise

    def _planned(self, statement: str, parameters: Mapping[str, Any]) -> tuple[_Statement, Any, Any, Any]:
        text, names = native(statement)
        values = self._dumper.dump_sequence([parameters[name] for name in names], [PyFormat.AUTO] * len(names))
        types = self._dumper.types or ()
        known = self._statements.get((text, types)) or self._met(text, types)
        return known, values, types, self._dumper.formats

    def _met(self, text: bytes, types: tuple[int, ...]) -> _Statement:
        statement = _Statement(self, text, b"direct_%d" % len(self._statements))
        if self.prepares and len(self._statements) < PREPARED_MAX:
            self._statements[text, types] = statement
        return statement

    def _running(self, transactions: Sequence[Sequence[Any]]) -> Generator[Any, Any, list[list[Any]]]:
        every = [each for transaction in transactions for each in transaction]
        yield from self._prepare(every)
        if len(every) == 1:
            self._send(*every[0])
            results = [(yield from generators.execute(self.pgconn))[-1]]
        else:
            results = yield from self._together(transactions)
        for result in results:
            if result.status in _FAILED:
                raise errors.error_from_result(result)
        rows = zip(every, results, strict=True)
        return [known.rows(result) if result.nfields else [] for (known, *_), result in rows]

    def _prepare(self, every: Sequence[Any]) -> Generator[Any, Any, None]:
        for known, _values, types, _formats in every:
            if not known.is_prepared and (known.text, types) in self._statements:
                self.pgconn.send_prepare(known.name, known.text, types)
                [result] = yield from generators.execute(self.pgconn)
                if result.status in _FAILED:
                    raise errors.error_from_result(result)
                known.is_prepared = True

    def _send(self, known: _Statement, values: Any, types: Any, formats: Any) -> None:
        if known.is_prepared:
            self.pgconn.send_query_prepared(known.name, values, formats)
        else:
            self.pgconn.send_query_params(known.text, values, types, formats)

    def _together(self, transactions: Sequence[Sequence[Any]]) -> PQGen[list[pq.abc.PGresult]]:
        """Send all of it at once, and return a result for each statement."""
        self.pgconn.enter_pipeline_mode()
        for transaction in transactions:
            for each in transaction:
                self._send(*each)
            self.pgconn.pipeline_sync()
        yield from generators.send(self.pgconn)
        results = []
        for transaction in transactions:
            for _each in transaction:
                results += (yield from generators.fetch_many(self.pgconn))[-1:]
            yield from generators.fetch_many(self.pgconn)  # where it ended
        self.pgconn.exit_pipeline_mode()
        return results
