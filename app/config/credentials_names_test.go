package config_test

import "testing"

// TestAuthorityNames: the rules of identities tell authorities apart by name, so names are
// not used twice.
//
// Attack: a token of one authority is taken for that of another, or for a user of the directory
// Held by: two authorities of a configuration have different names, and none that of a built-in one
func TestAuthorityNames(t *testing.T) {
	const entry = "url: 'https://a.example', authentication: none, any_audience: true, prefix: a_"
	for text, want := range map[string]string{
		"credentials: {x509: {name: corp}, anonymous: {name: guests}}": "",
		"credentials: {anonymous: {name: x509}}":                       "",
		"credentials: {x509: {identity: uri}, anonymous: {name: x509}}": `usher.yaml:4:56: credentials.anonymous.name: "x509" is the name of another authority: credentials.x509.name
  hint: choose another name`,
		"credentials: {x509: {name: directory}}": `usher.yaml:4:28: credentials.x509.name: "directory" is the name of another authority: the authority of the users of the directory
  hint: choose another name`,
		"credentials: {introspection: [{name: usher, " + entry + "}]}": `usher.yaml:4:38: credentials.introspection[0].name: "usher" is the name of another authority: the authority of the health check
  hint: choose another name`,
		"credentials: {introspection: [{name: x509, " + entry + "}], x509: {identity: uri}}": `usher.yaml:4:126: credentials.x509.name: "x509" is the name of another authority: credentials.introspection[0].name
  hint: choose another name`,
	} {
		if got := faults(t, required+text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}
