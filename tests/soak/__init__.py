"""Run the service for minutes as production does, and worse: `make soak`.

It starts the service with two workers, a key file, metrics and a log that goes into a pipe, and asks it for
tokens on the loopback interface while its keys are rotated, its workers are replaced and killed, more comes
than it can answer, hostile bytes come, its log is not read, and at last it is stopped. A table tells what
became of the requests of each phase. The exit status is 1 if a phase has broken its rule; how long answers
took is told, and not judged.
"""
