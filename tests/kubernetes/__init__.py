"""Have a real API server of Kubernetes take the manifests: `make kubernetes`.

It is built with Go, which takes minutes the first time, and runs on the loopback interface, with an etcd. The
objects of each folder are applied as `kubectl apply --server-side --validate=strict` does, into a namespace
that enforces the `restricted` profile. Then a pod of the Deployment is admitted, and one that may
gain rights is not. No pod is started: there is nothing to run it. The exit status is 1 if anything is refused
that should be taken, or the other way round.
"""
