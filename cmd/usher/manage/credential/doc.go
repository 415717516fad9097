// Package credential has the commands over the credentials of a user that are no API keys:
// usher user nkey, password, certificate and binding.
//
// It promises that no secret is an argument of a command.
package credential
