"""Tasks are ordinary functions: `PYTHONPATH=../../sdk/python python3 -m unittest discover -s tests -t .`"""

import tempfile
import unittest

import words
from words import logs, stats


class Words(unittest.TestCase):
    def test_counts_words(self):
        self.assertEqual(words.count("to be or not to be"), 6)
        self.assertEqual(words.count(" \n"), 0)

    def test_equally_frequent_words_are_in_alphabetical_order(self):
        self.assertEqual(words.top("to be or not to be", 3), [("be", 2), ("to", 2), ("not", 1)])

    def test_counts_words_by_length(self):
        self.assertEqual(stats.lengths("a bb à"), {1: 2, 2: 1})

    def test_counts_requests(self):
        with tempfile.NamedTemporaryFile("w") as log:
            log.write('1.2.3.4 - - [now] "GET /a HTTP/1.1" 200 1\n1.2.3.4 - - [now] "GET /a HTTP/1.1" 404 1\nx\n')
            log.flush()
            self.assertEqual(logs.routes(log.name), [logs.Route("/a", 2, 1)])
        with self.assertRaises(logs.NotALog):
            logs.routes("/dev/null")
