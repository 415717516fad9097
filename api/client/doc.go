// Package client calls the management API of usher, /v1, over HTTP.
//
// It promises that the key leaves this machine only in the header x-api-key: not in a URL
// or an error, not unencrypted to another machine unless Config allows it, and not to
// the target of a redirect. It uses no proxy. Every call ends within its timeout, and
// returns all pages of a list.
//
// It keeps no state, and retries nothing except ChangeACL.
package client
