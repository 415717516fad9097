package setup

import (
	"bytes"
	"strings"
	"text/template"

	issueroperator "usher/issuer/operator"
)

// serverConfig returns the nats-server.conf of config mode.
func (o *Options) serverConfig(issuer, xkey, hash, systemHash, sessionsHash string) []byte {
	var b bytes.Buffer
	// The template is a constant and executes with any strings.
	_ = serverTemplate.Execute(&b, map[string]any{
		"KV":        o.KV,
		"Listen":    o.Listen,
		"JetStream": quotePath(o.path(DirJetStream)),
		"Issuer":    issuer,
		"XKey":      xkey,
		"Hash":      hash,
		"User":      ServiceUser,
		"SysUser":   SystemUser,
		"SysHash":   systemHash,
		"Asks":      strings.Join(issueroperator.MonitoringSubjects(), `", "`),
		"Sessions":  sessionsUser(sessionsHash),
		"Callout":   AccountCallout,
		"System":    AccountSystem,
		"App":       AccountApp,
		"Ingest":    AccountIngest,
		"Projects":  o.Projects,
		"Health":    AccountHealth,
	})
	return b.Bytes()
}

// ingestSubjects are the subjects that ingest clients publish and AccountApp imports.
const ingestSubjects = "habitat.event.>"

// serverNotes are the comments at the head of every nats-server.conf. Its paths are
// absolute, because nats-server resolves a relative path from its working directory: from
// another one it would start with an empty store, and in operator mode with the account
// JWTs of the first day. Relocate rewrites them.
const serverNotes = `#
# Clients send tokens over this connection. Before nats-server listens on anything but
# loopback, give it a certificate:
# https://docs.nats.io/running-a-nats-service/configuration/securing_nats/tls
#
# Paths are absolute: nats-server resolves a relative path from its working directory,
# and from another directory it would start with an empty store. If you move this folder
# to DIR, run "usher init --moved DIR" before you start nats-server again.
{{if .KV}}#
# usher's directory is in a JetStream bucket of this server. This needs nats-server 2.12
# or later, which applies a change of several entries atomically.
{{end}}`

// timeoutNote is the comment above the timeout of authorization.
const timeoutNote = `  # The default is 2 s. If usher has not answered by then, the server sends
  # "Authorization Violation", and nats.go gives up for good after two of those. With
  # 3 s nats.go times out first, and retries.
`

//nolint:gochecknoglobals // a parsed constant
var serverTemplate = template.Must(template.New(FileServerConfig).Funcs(template.FuncMap{"account": AccountBlock}).Parse(`# Made by "usher init{{if .KV}} --kv{{end}}". A stock nats-server starts with it: nats-server -c ` + FileServerConfig + `
` + serverNotes + `server_name: usher-nats
listen: "{{.Listen}}"

jetstream { store_dir: {{.JetStream}} }

accounts {
  # nats-server sends its authorization requests to usher in this account. usher never
  # places a client here: a client that can subscribe here can read every credential.
  {{.Callout}} {
    users: [ { user: {{.User}}, password: "{{.Hash}}" } ]
{{- if .KV}}
    # For the bucket with usher's directory. A client that can write to the bucket decides
    # who gets in, so it is in the account of which usher is the only user.
    jetstream: enabled
{{- end}}
  }
{{- range .Projects}}
  # Project {{.}}. The account isolates it: no other project is in it.
{{account . "  "}}
{{- end}}
  # For the clients of projects. A project {{if not .KV}}in directory.yaml {{end}}names its account.
  {{.App}} {
    jetstream: enabled
    imports: [ { stream: { account: {{.Ingest}}, subject: "` + ingestSubjects + `" } } ]
  }
  # For ingest clients. They share one inbox prefix, so no other client is in this
  # account; it exports what they publish.
  {{.Ingest}} {
    exports: [ { stream: "` + ingestSubjects + `", accounts: [ {{.App}} ] } ]
  }
  # For "usher healthcheck" only.
  {{.Health}} {}
  # The system account has two users. The first is for "usher check": it can query the
  # servers and change nothing. With the second one usher lists and closes connections.
  {{.System}} {
    users: [ {
      user: {{.SysUser}}, password: "{{.SysHash}}"
      permissions: {
        publish: [ "{{.Asks}}" ]
        subscribe: "_INBOX.>"
      }
    }, {{.Sessions}} ]
  }
}
system_account: {{.System}}

authorization {
` + timeoutNote + `  timeout: 3
  auth_callout {
    account: {{.Callout}}
    auth_users: [ {{.User}}, {{.SysUser}}, ` + SessionsUser + ` ]
    # The public keys of the seeds in ` + DirKeys + `/.
    issuer: {{.Issuer}}
    xkey: {{.XKey}}
  }
}
`))

// sessionsUser returns the user of the system account with which usher lists and closes
// connections, for the list of users in nats-server.conf.
func sessionsUser(hash string) string {
	publish, subscribe := issueroperator.SessionSubjects()
	return `{
      user: ` + SessionsUser + `, password: "` + hash + `"
      permissions: {
        publish: [ "` + strings.Join(publish, `", "`) + `" ]
        subscribe: [ "` + strings.Join(subscribe, `", "`) + `" ]
      }
    }`
}

const emptyDirectory = `# Users, projects, topics, subscriptions and ACLs. usher reloads this file when it
# changes. If it has an error, usher logs the error and keeps the last good directory.
# "usher apikey new --user admin --service-role service_admin" prints the lines of a user
# who may use the management API. An example, to replace the two empty lists at the end:
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
