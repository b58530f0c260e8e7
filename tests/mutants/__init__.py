"""Faults planted in the service one at a time: a test must notice each.

    python -m tests.mutants                  all of them; several minutes
    python -m tests.mutants clock cors       those whose name or file has one of these words in it
    python -m tests.mutants --list           their names

Each fault is planted in a copy of the checkout, never in the checkout itself, and the unit and contract
tests are run there: first those that should notice it, and all of them only if those do not. Schemathesis
and the end-to-end tests are left out: they take minutes. Before that, the copy must pass without a fault.

What is reported of a fault:

    killed      a test failed; the line names it
    survived    every test passed: write the test that is missing
    hung        the tests did not end in time. No test has failed, so that counts as a survivor, unless the
                fault is of the kind that makes a caller wait for ever, and says so by `hangs`
    broken      pytest could not run: the fault is a syntax error or the like, and no fault of the service

A fault is stale if its old text is no longer in its file, or not as often as it says. That is reported
before anything is run. Whoever changes the code mends the fault: the same mistake, made in the new code.

To add one, write its name, the old and the new text below its file in `faults.py`. The name says what
would be wrong with the service; the old text is short; the new one is a mistake that somebody could make.
"""
