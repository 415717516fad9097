package bundle_test

import (
	"strings"
	"testing"

	"usher/app/doctor/bundle"
)

// Attack: a bug report shows a secret of which no file is known, as that of another program in its log
// Held by: what stands where a secret does is hidden, whatever it looks like
func TestPlaces(t *testing.T) {
	t.Parallel()
	r, _ := bundle.NewRedactor(nil)
	for _, text := range []string{
		"cannot connect to nats://s3cr3tW0rd@host:4222",
		"nats://user:s3cr3tW0rd@host:4222",
		`authorization { token: s3cr3tW0rd }`,
		`authorization { token: "s3cr3tW0rd" }`,
		`users = [{user: a, password: "my s3cr3tW0rd"}]`,
		`users = [{user: a, password: s3cr3tW0rd}]`,
		"user: a\n  password: s3cr3tW0rd\n",
		`CONNECT {"user":"a","pass":"s3cr3tW0rd","auth_token":"s3cr3tW0rd"}`,
		`{\"user\":\"a\",\"pass\":\"s3cr3tW0rd\"}`,
		`msg="x \"password\":\"s3cr3tW0rd\""`,
		`password "s3cr3tW0rd"`, `"password" : "s3cr3tW0rd"`, `password='s3cr3tW0rd'`,
		`nats --password s3cr3tW0rd sub x`, `nats --password=s3cr3tW0rd`,
		`Authorization: Bearer s3cr3tW0rd`, `Authorization: Basic s3cr3tW0rd`, `Cookie: session=s3cr3tW0rd`,
		`POST /?access_token=s3cr3tW0rd HTTP`, `bindPassword=s3cr3tW0rd`, `clientSecret: s3cr3tW0rd`, `NATS_PASSWORD=s3cr3tW0rd`,
	} {
		if got := r.Text(text); strings.Contains(got, "W0rd") {
			t.Errorf("%s is %s", text, got)
		}
	}
	for _, text := range []string{
		`error="verify token: expired"`, `{"msg":"bad token","code":"token_expired"}`, `{"token": null, "secret": true}`,
		"the password is wrong", `credentials.webhook.token_file: /etc/usher/token`, `{"outcome":"token","method":"password"}`,
		`http.listen: 127.0.0.1:9778`, `"passes":"2"`,
	} {
		if got := r.Text(text); got != text {
			t.Errorf("%s is %s", text, got)
		}
	}
}
