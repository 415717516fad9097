package setup

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	cluster "usher/issuer/operator"
)

// serverConfig returns a nats-server.conf. Paths in it are absolute, because
// nats-server takes relative ones from where it was started.
func (o *Options) serverConfig(issuer, xkey, hash, systemHash string) []byte {
	var b bytes.Buffer
	// The template is a constant of this file and executes on any strings.
	_ = serverTemplate.Execute(&b, map[string]any{
		"KV":        o.KV,
		"Listen":    o.Listen,
		"JetStream": strconv.Quote(filepath.ToSlash(o.path(DirJetStream))),
		"Issuer":    issuer,
		"XKey":      xkey,
		"Hash":      hash,
		"User":      ServiceUser,
		"SysUser":   SystemUser,
		"SysHash":   systemHash,
		"Asks":      strings.Join(cluster.Asks(), `", "`),
		"Callout":   AccountCallout,
		"System":    AccountSystem,
		"App":       AccountApp,
		"Ingest":    AccountIngest,
		"Projects":  o.Projects,
		"Health":    AccountHealth,
	})
	return b.Bytes()
}

// ingestSubjects is what ingest clients publish, and AccountApp gets to see.
const ingestSubjects = "habitat.event.>"

// serverNeeds is what a nats-server.conf says of the server itself.
const serverNeeds = `{{if .KV}}#
# It keeps usher's directory in a JetStream bucket, which takes nats-server 2.12 or
# later: changes of several entries are made as a whole.
{{end}}`

//nolint:gochecknoglobals // a parsed constant
var serverTemplate = template.Must(template.New(FileServerConfig).Funcs(template.FuncMap{"account": AccountBlock}).Parse(`# Made by "usher init{{if .KV}} --kv{{end}}". A stock nats-server starts with it: nats-server -c ` + FileServerConfig + `
#
# Tokens travel in this connection. Before it listens on anything but loopback,
# give it a certificate: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/tls
` + serverNeeds + `server_name: usher-nats
listen: "{{.Listen}}"

jetstream { store_dir: {{.JetStream}} }

accounts {
  # Where nats-server asks usher. No client is ever placed here: whoever can
  # subscribe in this account reads every credential.
  {{.Callout}} {
    users: [ { user: {{.User}}, password: "{{.Hash}}" } ]
{{- if .KV}}
    # For the bucket with usher's directory. Whoever could write to it would decide
    # who gets in, so it is here, where usher is alone.
    jetstream: enabled
{{- end}}
  }
{{- range .Projects}}
  # Project {{.}}. An account is the wall between projects: no other one is in it.
{{account . "  "}}
{{- end}}
  # Where clients land: projects {{if not .KV}}of directory.yaml {{end}}name their account.
  {{.App}} {
    jetstream: enabled
    imports: [ { stream: { account: {{.Ingest}}, subject: "` + ingestSubjects + `" } } ]
  }
  # Where ingest clients land. They share one inbox space, so nobody else is here;
  # what they publish is passed on.
  {{.Ingest}} {
    exports: [ { stream: "` + ingestSubjects + `", accounts: [ {{.App}} ] } ]
  }
  # For "usher healthcheck" alone.
  {{.Health}} {}
  # The system account has one user, for "usher check": it may ask the servers about
  # themselves, and change nothing.
  {{.System}} {
    users: [ {
      user: {{.SysUser}}, password: "{{.SysHash}}"
      permissions: {
        publish: [ "{{.Asks}}" ]
        subscribe: "_INBOX.>"
      }
    } ]
  }
}
system_account: {{.System}}

authorization {
  # Longer than the default of 2 s. A server without an answer by then says
  # "Authorization Violation", and nats.go gives up for good after two of those;
  # by 3 s nats.go has timed out by itself, and tries again.
  timeout: 3
  auth_callout {
    account: {{.Callout}}
    auth_users: [ {{.User}}, {{.SysUser}} ]
    # The public halves of the seeds in ` + DirKeys + `/.
    issuer: {{.Issuer}}
    xkey: {{.XKey}}
  }
}
`))

const emptyDirectory = `# Users, projects, topics, subscriptions and ACLs. usher reloads this file when
# it changes; a faulty one is reported and the last good one stays. An example, to
# put in place of the two empty lists at the end:
#
# users:
#   - name: alice
#     keys:
#       - digest: sha256:…          # "usher apikey new --user alice" prints this line
# projects:
#   - name: shop                    # its subjects are shop.>, its stream is shop
#     account: ` + AccountApp + `
#     members:
#       - {user: alice, roles: [publisher]}
#     topics:
#       - {name: orders, acl: [alice]}   # alice may publish shop.orders
users: []
projects: []
`
