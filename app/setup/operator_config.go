package setup

import (
	"bytes"
	"fmt"
	"text/template"

	"usher/app/config"
)

// operatorHeader is the first comment of usher.yaml in operator mode.
const operatorHeader = `# Made by "usher init --operator%s" (docs/how-to/operator-mode.md). Neither nats-server nor
# "usher serve" reads ` + DirOperator + `/. With the seeds in ` + DirIdentity + `/ anyone can create and
# change everything, and no command needs them: move that folder off this machine.
# "usher nkey" and "usher project" need ` + FileOperatorSigning + `; it can be on another machine, too.

`

func (o *Options) operatorHeader() string {
	options := ""
	if o.KV {
		options = " --kv"
	}
	return fmt.Sprintf(operatorHeader, options)
}

// operatorConfig returns the values of usher.yaml that only operator mode has.
func operatorConfig() map[string]string {
	return map[string]string{
		"nats.mode":                  config.ModeOperator,
		"nats.creds_file":            FileServiceCreds,
		"nats.sentinel_creds_file":   FileSentinelCreds,
		"sessions.creds_file":        FileSessionsCreds,
		"operator.dir":               DirOperator,
		"operator.signing_key_file":  FileOperatorSigning,
		"operator.system_creds_file": FileSystemCreds,
	}
}

// operatorServerConfig returns the nats-server.conf of operator mode. It contains the
// JWTs, so the server needs no other file.
func (o *Options) operatorServerConfig(op *operator, operatorJWT, sentinelJWT string, accounts map[string]string) []byte {
	type account struct{ Name, Public, JWT string }
	var preload []account
	for _, name := range allAccounts() {
		preload = append(preload, account{name, op.accounts[name].public, accounts[name]})
	}
	var b bytes.Buffer
	// The template is a constant and executes with any strings.
	_ = operatorTemplate.Execute(&b, map[string]any{
		"KV":        o.KV,
		"Callout":   AccountCallout,
		"Listen":    o.Listen,
		"JetStream": quotePath(o.path(DirJetStream)),
		"Resolver":  quotePath(o.path(DirResolver)),
		"Operator":  operatorJWT,
		"Sentinel":  sentinelJWT,
		"System":    op.accounts[AccountSystem].public,
		"Preload":   preload,
	})
	return b.Bytes()
}

//nolint:gochecknoglobals // a parsed constant
var operatorTemplate = template.Must(template.New(FileServerConfig).Parse(`# Made by "usher init --operator{{if .KV}} --kv{{end}}". A stock nats-server starts with it: nats-server -c ` + FileServerConfig + `
` + serverNotes + `server_name: usher-nats
listen: "{{.Listen}}"

jetstream { store_dir: {{.JetStream}} }

# The operator this server trusts, as in ` + FileOperator + `.
operator: {{.Operator}}
system_account: {{.System}}

# The accounts that the resolver starts with; ` + DirAccounts + `/ has the same JWTs. A JWT
# that is pushed to the resolver later is newer, and replaces the one here.
{{- if .KV}}
# {{.Callout}} has JetStream for the bucket with usher's directory. A client that can write
# to the bucket decides who gets in, so it is in the account of which usher is the only user.
{{- end}}
resolver { type: full, dir: {{.Resolver}}, allow_delete: false, interval: "2m" }
resolver_preload {
{{- range .Preload}}
  # {{.Name}}
  {{.Public}}: {{.JWT}}
{{- end}}
}

# The user of a client that presents only a token, until usher has decided: a user of
# the callout account without any permission. It is not a secret.
default_sentinel: {{.Sentinel}}

authorization {
` + timeoutNote + `  timeout: 3
}
`))
