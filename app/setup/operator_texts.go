package setup

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"text/template"

	"usher/app/config"
)

// operatorHeader stands above the usher.yaml of operator mode.
const operatorHeader = `# Made by "usher init --operator%s" (docs/how-to/operator-mode.md). Neither nats-server nor
# "usher serve" reads anything in ` + DirOperator + `/. The seeds in ` + DirIdentity + `/ can make
# and change everything, and nothing here needs them: move that directory off this
# machine. ` + FileOperatorSigning + ` is for "usher nkey" and "usher project"; it can be elsewhere, too.

`

func (o *Options) operatorHeader() string {
	more := ""
	if o.KV {
		more = " --kv"
	}
	return fmt.Sprintf(operatorHeader, more)
}

// operatorConfig returns what usher.yaml holds in operator mode only.
func operatorConfig() map[string]string {
	return map[string]string{
		"nats.mode":                  config.ModeOperator,
		"nats.creds_file":            FileServiceCreds,
		"nats.sentinel_creds_file":   FileSentinelCreds,
		"operator.dir":               DirOperator,
		"operator.signing_key_file":  FileOperatorSigning,
		"operator.system_creds_file": FileSystemCreds,
	}
}

// operatorServerConfig returns a nats-server.conf of operator mode. It holds the
// JWTs themselves, so that the server needs no other file.
func (o *Options) operatorServerConfig(op *operator, operatorJWT, sentinelJWT string, accounts map[string]string) []byte {
	type account struct{ Name, Public, JWT string }
	var preload []account
	for _, name := range allAccounts() {
		preload = append(preload, account{name, op.accounts[name].public, accounts[name]})
	}
	var b bytes.Buffer
	// The template is a constant of this file and executes on any strings.
	_ = operatorTemplate.Execute(&b, map[string]any{
		"KV":        o.KV,
		"Callout":   AccountCallout,
		"Listen":    o.Listen,
		"JetStream": strconv.Quote(filepath.ToSlash(o.path(DirJetStream))),
		"Resolver":  strconv.Quote(filepath.ToSlash(o.path(DirResolver))),
		"Operator":  operatorJWT,
		"Sentinel":  sentinelJWT,
		"System":    op.accounts[AccountSystem].public,
		"Preload":   preload,
	})
	return b.Bytes()
}

//nolint:gochecknoglobals // a parsed constant
var operatorTemplate = template.Must(template.New(FileServerConfig).Parse(`# Made by "usher init --operator{{if .KV}} --kv{{end}}". A stock nats-server starts with it: nats-server -c ` + FileServerConfig + `
#
# Tokens travel in this connection. Before it listens on anything but loopback,
# give it a certificate: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/tls
` + serverNeeds + `server_name: usher-nats
listen: "{{.Listen}}"

jetstream { store_dir: {{.JetStream}} }

# Whom this server believes, as in ` + FileOperator + `.
operator: {{.Operator}}
system_account: {{.System}}

# The accounts as the resolver knows them in the beginning (` + DirAccounts + `/ has
# the same). One that is pushed to it later is newer, and is the one that counts.
{{- if .KV}}
# {{.Callout}} has JetStream for the bucket with usher's directory. Whoever could write
# to it would decide who gets in, so it is there, where usher is alone.
{{- end}}
resolver { type: full, dir: {{.Resolver}}, allow_delete: false, interval: "2m" }
resolver_preload {
{{- range .Preload}}
  # {{.Name}}
  {{.Public}}: {{.JWT}}
{{- end}}
}

# What a client is that brings a token and nothing else, until usher has decided:
# a user of the callout account that may do nothing. It is no secret.
default_sentinel: {{.Sentinel}}

authorization {
  # Longer than the default of 2 s. A server without an answer by then says
  # "Authorization Violation", and nats.go gives up for good after two of those;
  # by 3 s nats.go has timed out by itself, and tries again.
  timeout: 3
}
`))
