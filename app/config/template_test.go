package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/app/config"
)

const operatorMode = "nats: {mode: operator}\n"

func TestOperatorFaults(t *testing.T) {
	inBucket := live + "directory: {from: kv}\n"
	for _, tt := range []struct{ text, want string }{
		{"operator: {create_accounts: true}", `usher.yaml:5:29: operator.create_accounts: is set, but directory.from is "file"
  hint: the API cannot create a project in a file, so it needs no account`},
		{"operator: {signing_command: [sign]}", `usher.yaml:5:12: operator.signing_command: needs operator.signing_public_key
  hint: set both or neither`},
		{"operator: {account_template: {limits: {connections: 0}}}", `usher.yaml:5:53: operator.account_template.limits.connections: must be -1 (no limit), or more than 0, is 0
  hint: an account without connections is closed`},
		{"operator: {account_template: {limit: {}}}", `usher.yaml:5:31: operator.account_template.limit: unknown key
  hint: did you mean "limits"?`},
		{"operator: {account_template: {imports: [{account: A, subject: 'a..b', type: stream}]}}", `usher.yaml:5:41: operator.account_template.imports[0]: subject "a..b" cannot contain consecutive ` + "`.`" + `
  hint: write it as in an account JWT`},
		{"operator: {account_template: {exports: [{subject: a, type: both}]}}", `usher.yaml:5:60: operator.account_template.exports[0].type: expected one of stream, service, found "both"`},
		{"operator: {account_template: {limits: {exports: 0}, exports: [{subject: a, type: stream}]}}", `usher.yaml:5:31: operator.account_template.limits: the account contains more exports than allowed by the operator
  hint: raise the limit, or remove imports or exports`},
		{"operator: {account_template: {limits: {exports: 1, wildcard_exports: false}, exports: [{subject: 'a.>', type: stream}]}}", `usher.yaml:5:31: operator.account_template.limits: the account contains wildcard exports that are not allowed by the operator
  hint: raise the limit, or remove imports or exports`},
	} {
		if got := faults(t, required+operatorMode+tt.text); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, got, tt.want)
		}
	}
	want := `usher.yaml:5:29: operator.create_accounts: needs operator.dir
  hint: set it, or leave operator.create_accounts out
usher.yaml:5:29: operator.create_accounts: needs operator.system_creds_file
  hint: set it, or leave operator.create_accounts out
usher.yaml:5:29: operator.create_accounts: needs api.listen
  hint: set it, or leave operator.create_accounts out
usher.yaml:5:29: operator.create_accounts: needs operator.signing_command or operator.signing_key_file
  hint: prefer a signing program: it can refuse requests that it is not meant for, a key in a file cannot`
	if got := faults(t, inBucket+operatorMode+"operator: {create_accounts: true}"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := faults(t, required+"operator: {signing_command: [sign], signing_public_key: O}"); !strings.Contains(got, `is set, but nats.mode is "config"`) {
		t.Error(got)
	}
}

// TestSigningCommandAuthor: a user who can write operator.signing_command can run any
// program as usher.
//
// Attack: another user writes operator.signing_command into usher.yaml, and usher runs it
// Held by: usher refuses a configuration with operator.signing_command that other users can write
func TestSigningCommandAuthor(t *testing.T) {
	kp, err := nkeys.CreateOperator()
	if err != nil {
		t.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "usher.yaml")
	text := required + operatorMode + "operator: {signing_command: [/bin/sign, x], signing_public_key: " + public + "}"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil || len(cfg.Operator.SigningCommand) != 2 {
		t.Fatalf("%v, %v", cfg, err)
	}
	if err := os.Chmod(file, 0o622); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file); err == nil || !strings.Contains(err.Error(), "another user can write or replace it") {
		t.Error(err)
	}
}

// TestTemplateClaims: the account claims contain what the template says.
func TestTemplateClaims(t *testing.T) {
	cfg, err := config.Parse("usher.yaml", []byte(required+operatorMode+`
operator:
  account_template:
    limits: {connections: 100, leaf_nodes: 0, subscriptions: 50, payload: 1000, imports: 3, exports: 2, wildcard_exports: false}
    jetstream: {memory_storage: 0, disk_storage: 1000000, streams: 5, consumers: 6, max_ack_pending: 7, max_bytes_required: true}
    imports:
      - {account: INGEST, subject: "habitat.event.>", type: stream, name: ingest}
      - {account: INGEST, subject: time, type: service, local_subject: clock}
    exports:
      - {subject: a.b, type: stream, token_required: true}
      - {subject: c.d, type: service}
`))
	if err != nil {
		t.Fatal(err)
	}
	kp, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &cfg.Operator.AccountTemplate
	c, err := template.Claims("shop", public, func(name string) (string, bool) { return public, name == "INGEST" })
	if err != nil {
		t.Fatal(err)
	}
	vr := jwt.CreateValidationResults()
	c.Validate(vr)
	for _, i := range vr.Issues {
		t.Error(i.Description)
	}
	if want := (jwt.AccountLimits{Imports: 3, Exports: 2, Conn: 100}); c.Limits.AccountLimits != want {
		t.Errorf("limits %+v", c.Limits.AccountLimits)
	}
	if want := (jwt.NatsLimits{Subs: 50, Data: -1, Payload: 1000}); c.Limits.NatsLimits != want {
		t.Errorf("limits %+v", c.Limits.NatsLimits)
	}
	if want := (jwt.JetStreamLimits{DiskStorage: 1000000, Streams: 5, Consumer: 6, MaxAckPending: 7, MaxBytesRequired: true}); c.Limits.JetStreamLimits != want {
		t.Errorf("JetStream %+v", c.Limits.JetStreamLimits)
	}
	if len(c.Imports) != 2 || c.Imports[0].Account != public || c.Imports[0].Name != "ingest" || c.Imports[1].LocalSubject != "clock" ||
		len(c.Exports) != 2 || !c.Exports[0].TokenReq || c.Exports[1].ResponseType != jwt.ResponseTypeSingleton {
		t.Errorf("imports %+v, exports %+v", c.Imports, c.Exports)
	}
	if _, err := template.Claims("shop", public, func(string) (string, bool) { return "", false }); err == nil {
		t.Error("an import of an unknown account is accepted")
	}
}
