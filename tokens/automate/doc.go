// Package automate verifies tokens by asking the services of Chef Automate: authn-service
// whose the token is, and authz-service in which projects it allows an action, that of
// sending events.
//
// It promises that a token goes to authn-service alone, over TLS with that name; that only
// a plain no of one of the two is a rejection; and that no error shows a token, even if a
// service repeats it. It keeps one connection to each service, and notices when one that
// is still open has no other end any more.
package automate
