"""The documentation as a site: what `make docs` builds it with, beside the pages themselves."""
