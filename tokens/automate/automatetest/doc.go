// Package automatetest is for tests that need Chef Automate's services: an authn-service and
// an authz-service that speak gRPC over mutual TLS, with certificates of a CA of their own.
package automatetest
