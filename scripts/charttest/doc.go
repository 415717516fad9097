// Package charttest tries the Helm chart in deploy/helm/usher with helm's own library: lint,
// templates, and what comes out of them. Objects are decoded into the types of the Kubernetes
// API, and each usher.yaml is loaded by usher (docs/adr/0027-deployment.md).
package charttest
