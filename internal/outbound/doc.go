// Package outbound makes HTTP requests to addresses that users choose.
//
// It prevents server-side request forgery: it connects only to public addresses, and to those
// of the networks that the rules allow. It checks the address at the moment of the connection,
// after the name was resolved, so a name that changes its address does not get around this. It
// follows no redirect, uses no proxy, and bounds the time, the header and the body of an
// answer. Its errors name the host of an address and nothing else of it.
package outbound
