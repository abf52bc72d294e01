"""Tests of the library that need no host: `python3 -m unittest discover -s tests`."""

import collections
import os
import sys
import typing
import unittest
from dataclasses import dataclass

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import wxec


@dataclass
class Point:
    x: int
    y: "int | None"


@dataclass
class Chain:
    next: "Chain | None"


class Pair(typing.NamedTuple):
    a: int
    b: "list[Point]"


def described(function, **options):
    task = wxec._Task(function, (), options)
    return task, task.description


class Notations(unittest.TestCase):
    def test_types_of_python_have_names_in_the_notation(self):
        for hint, expected in [
            (int, "i64"), (wxec.u8, "u8"), (float, "f64"), (str, "String"), (bytes, "Bytes"),
            (list[int], "Vec<i64>"), (dict[str, wxec.u64], "BTreeMap<String, u64>"),
            (tuple[int, str], "(i64, String)"), (tuple[int, ...], "Vec<i64>"), (int | None, "Option<i64>"),
            (typing.Optional[str], "Option<String>"), (typing.List[int], "Vec<i64>"), (int | str, "Value"),
            (typing.Any, "Value"), (None, "()"), (wxec.Sender[int], "Sender<i64>"), (set[str], "Vec<String>"),
            (collections.Counter[str], "BTreeMap<String, i64>"), (Pair, "Pair"),
        ]:
            with self.subTest(hint=hint):
                self.assertEqual(wxec._notation(hint, {}), expected)
        with self.assertRaisesRegex(TypeError, "complex"):
            wxec._notation(complex, {})

    def test_records_are_noted_with_their_fields(self):
        records = {}
        wxec._notation(Pair, records)
        self.assertEqual(
            records,
            {
                "Pair": [["a", "i64"], ["b", "Vec<Point>"]],
                "Point": [["x", "i64"], ["y", "Option<i64>"]],
            },
        )


class Tasks(unittest.TestCase):
    def test_a_description_has_parameters_doc_and_needs(self):
        def move(point: Point, by: "int" = 3, *, way: str | None = None) -> typing.Iterator[int]:
            """Moves a point.

            And more.
            """

        _, description = described(move, read="/etc", facts=True)
        self.assertEqual(
            description["parameters"],
            [["point", "Point"], ["by", "Option<i64>"], ["way", "Option<String>"]],
        )
        self.assertEqual(description["returns"], "Receiver<i64>")
        self.assertEqual(description["doc"], "Moves a point.\n\nAnd more.")
        self.assertEqual(description["wants"], {"read": ["/etc"], "facts": True})

    def test_arguments_become_values_of_their_types(self):
        def both(points: list[Point], pair: tuple[int, Point] = (1, None), n: int = 5) -> dict:
            return {"points": points, "pair": pair, "n": n}

        task, _ = described(both)
        point = {"x": 1, "y": None}
        value = task.call([[point], None, None])
        self.assertEqual(value, {"points": [point], "pair": (1, None), "n": 5})
        value = task.call([[], [2, {"x": 1, "y": 2}], 6])
        self.assertEqual(value["pair"], (2, {"x": 1, "y": 2}))
        self.assertEqual(value["n"], 6)

    def test_a_record_that_contains_itself_is_refused(self):
        with self.assertRaisesRegex(TypeError, "`Chain` contains itself"):
            def chain(chain: Chain): ...
            described(chain)

    def test_a_parameter_without_a_type_is_named(self):
        with self.assertRaisesRegex(TypeError, "`a` of the task `untyped`"):
            def untyped(a): ...
            described(untyped)

    def test_an_unknown_grant_is_refused(self):
        with self.assertRaisesRegex(TypeError, "no grant `fly`"):
            wxec.task(lambda: None, fly=True)

    def test_failures_have_a_type_causes_and_data(self):
        class Failure(wxec.TaskError):
            pass

        def fail() -> None:
            raise Failure("oops", data={"code": 7}) from ValueError("because")

        task, _ = described(fail)
        with self.assertRaises(Failure) as caught:
            task.call([])
        self.assertTrue(wxec._is_typed(caught.exception))
        failure = wxec._failure(caught.exception)
        self.assertTrue(failure["type"].endswith("Failure"))
        self.assertEqual((failure["msg"], failure["chain"]), ("oops", ["because"]))
        self.assertEqual(failure["data"], {"code": 7})

    def test_named_exceptions_are_typed_and_others_are_not(self):
        def wrong(known: bool) -> None:
            raise (ValueError if known else KeyError)("x")

        task = wxec._Task(wrong, (ValueError,), {})
        self.assertEqual(task.description["error"], "ValueError")
        for known, kind in ((True, ValueError), (False, KeyError)):
            with self.assertRaises(kind) as caught:
                task.call([known])
            self.assertEqual(wxec._is_typed(caught.exception), known)

    def test_calls_of_the_host_need_one(self):
        with self.assertRaisesRegex(RuntimeError, "`cancelled` needs a host"):
            wxec.cancelled()


if __name__ == "__main__":
    unittest.main()
