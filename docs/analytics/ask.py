"""Asks a Parquet export one of the questions of this directory: python ask.py EXPORT QUESTION.sql [--json]"""

import json
import pathlib
import sys

import duckdb


def main() -> None:
    archive, question, *options = sys.argv[1:]
    here = pathlib.Path(__file__).parent
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET VARIABLE archive = $1", [archive])
    connection.execute((here / "event.sql").read_text())
    answer = connection.execute((here / question).read_text())
    if "--json" in options:
        names = [column[0] for column in answer.description]
        rows = [dict(zip(names, row)) for row in answer.fetchall()]
        print(json.dumps(rows, default=str))
    else:
        print(connection.sql((here / question).read_text()))


if __name__ == "__main__":
    main()
