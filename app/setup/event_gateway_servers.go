package setup

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
	"unicode/utf8"

	issueroperator "usher/issuer/operator"
)

// externalConfig returns the configuration of the nats-server for supervisors.
func (g *EventGateway) externalConfig(issuer, xkey, hash, systemHash, sessionsHash string) []byte {
	return g.execute("external", map[string]any{
		"Issuer": issuer, "XKey": xkey, "Hash": hash, "SysHash": systemHash,
		"User": ServiceUser, "SysUser": SystemUser, "Callout": AccountCallout, "Health": AccountHealth,
		"Asks": strings.Join(issueroperator.MonitoringSubjects(), `", "`), "Sessions": sessionsUser(sessionsHash),
		"Name":    GatewayExternal,
		"Listen":  g.Listen,
		"Public":  g.publicFiles(),
		"Gateway": g.GatewayOf.External, "Advertise": g.Reach.External,
		"Other": GatewayInternal, "OtherGateway": g.Reach.Internal,
		"ExternalOnly": g.ExternalOnly,
	})
}

// internalConfig returns the configuration of the nats-server for services.
func (g *EventGateway) internalConfig(issuer, xkey, hash string) []byte {
	leaf := ""
	if g.Bridge != nil {
		leaf = g.Bridge.Leaf
	}
	services := g.services()
	if g.asksUsher() {
		services = nil // they are in usher.yaml
	}
	return g.execute("internal", map[string]any{
		"AsksUsher": g.asksUsher(), "Issuer": issuer, "XKey": xkey, "Hash": hash, "User": ServiceUser, "Callout": AccountCallout,
		"Health":   AccountHealth,
		"Services": services, "Leaf": leaf, "Store": ServiceStore,
		"Name":    GatewayInternal,
		"Listen":  g.Internal,
		"Gateway": g.GatewayOf.Internal, "Advertise": g.Reach.Internal,
		"Other": GatewayExternal, "OtherGateway": g.Reach.External,
	})
}

// eventGatewayNotes are the comments at the head of both files.
const eventGatewayNotes = `#
# Paths are absolute: nats-server resolves a relative path from its working directory. If
# you move this folder to DIR, run "usher init --moved DIR".
`

// eventSubjects are the subjects that ingest clients may publish events to. What is exported
// is not wider: who gives one below them as the subject for an answer of the streaming
// server would get the answer there.
const eventSubjects = "habitat.event.*"

func (g *EventGateway) execute(name string, values map[string]any) []byte {
	values["Ingest"], values["Events"], values["System"] = AccountIngest, AccountEvents, AccountSystem
	values["Streaming"] = streamingSubjects()
	t := template.Must(eventGatewayTemplate.Clone()).Funcs(template.FuncMap{
		"file": func(name string) string { return quotePath(g.pkiFile(name)) },
		// nats-server refuses the same URL twice.
		"named": func(name, address string) string { return name + address[strings.LastIndex(address, ":"):] },
	})
	var b bytes.Buffer
	// The templates are constants and execute with any values.
	_ = t.ExecuteTemplate(&b, name, values)
	return b.Bytes()
}

// quotePath returns a path in quotes, as nats-server reads it. Of the escapes of Go it knows
// \", \\ and \xXX; other characters stand for themselves.
func quotePath(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for rest := filepath.ToSlash(path); rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + rest[:1])
		case r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		default:
			b.WriteString(rest[:size])
		}
		rest = rest[size:]
	}
	b.WriteByte('"')
	return b.String()
}

//nolint:gochecknoglobals // a parsed constant
var eventGatewayTemplate = template.Must(template.New("").Funcs(template.FuncMap{
	"file": func(string) string { return "" }, "named": func(_, _ string) string { return "" }, // set by execute
	"list": func(subjects []string) string { return `"` + strings.Join(subjects, `", "`) + `"` },
	"cert": CertFile, "key": KeyFile, "ca": func() string { return FileCA }, "path": quotePath,
}).Parse(`
{{- define "external" -}}
# Made by "usher init --event-gateway". The nats-server for supervisors: nats-server -c ` + FileExternal + `
#
# Whoever connects needs a token, and usher decides about it (auth callout). Only usher's
# own three users have a password. There is no HTTP monitoring: "usher check" asks over NATS.
` + eventGatewayNotes + `server_name: {{.Name}}
listen: "{{.Listen}}"

# Of a connection. A supervisor has none, and a client of NATS Streaming five.
max_subscriptions: 100

# What supervisors see. nats-server chooses the certificate by the name that a client asks
# for (SNI), and the first one for a client that asks for none.
tls {
  certs: [
{{- range .Public}}
    { cert_file: {{path .Cert}}, key_file: {{path .Key}} }
{{- end}}
  ]
  min_version: "1.2"
}

accounts {
  # nats-server sends its authorization requests to usher in this account.
  {{.Callout}} { users: [ { user: {{.User}}, password: "{{.Hash}}" } ] }

{{- if .ExternalOnly}}
  # Supervisors are in the global account, which needs no line: the internal server knows no
  # other. So they share it, and the inbox prefix, with its services.
{{- else}}
{{template "accounts" .}}
{{- end}}
  # For "usher healthcheck" only.
  {{.Health}} {}
  # The system account has two users. The first is for "usher check": it can query the
  # servers and change nothing. With the second one usher lists and closes connections.
  {{.System}} {
    users: [ {
      user: {{.SysUser}}, password: "{{.SysHash}}"
      permissions: { publish: [ "{{.Asks}}" ], subscribe: "_INBOX.>" }
    }, {{.Sessions}} ]
  }
}
system_account: {{.System}}

authorization {
` + timeoutNote + `  timeout: 3
  auth_callout {
    account: {{.Callout}}
    auth_users: [ {{.User}}, {{.SysUser}}, ` + SessionsUser + ` ]
    issuer: {{.Issuer}}
    xkey: {{.XKey}}
  }
}
{{template "gateway" .}}
{{- end}}

{{- define "internal" -}}
# Made by "usher init --event-gateway". The nats-server for services: nats-server -c ` + FileInternal + `
` + eventGatewayNotes + `server_name: {{.Name}}
listen: "{{.Listen}}"

{{if .AsksUsher -}}
# A client needs a certificate of this CA. usher takes its common name for the name of the
# service: one without a profile in ` + FileConfig + ` does not get in.
tls {
  cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}}
  verify: true
}
{{else -}}
# A client needs a certificate of this CA. nats-server compares its DNS names with the names
# of the users below: a service that is not listed does not get in. Passwords and tokens
# count for nothing.
tls {
  cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}}
  verify_and_map: true
}
{{end}}
accounts {
{{- if .AsksUsher}}
{{- template "asks" .}}
{{- end}}
{{- template "accounts" .}}
  {{.System}} {}
}
system_account: {{.System}}
{{- if .AsksUsher}}
{{template "callout" .}}
{{- end}}
{{- if .Leaf}}
{{template "leaf" .}}
{{- end}}
{{template "gateway" .}}
{{- end}}

{{- define "accounts"}}
  # For supervisors, who publish events. It has the same name on both servers.
  {{.Ingest}} {
    exports: [ { stream: "` + eventSubjects + `", accounts: [ {{.Events}} ] } ]
    imports: [
{{- range .Streaming}}
      { service: { account: {{$.Events}}, subject: "{{.}}" } }
{{- end}}
    ]
  }
  # For services: the streaming server, and those that read events. nats-server remembers a
  # request that is not answered for the threshold, by default two minutes.
  {{.Events}} {
    exports: [
{{- range .Streaming}}
      { service: "{{.}}", accounts: [ {{$.Ingest}} ], response_threshold: "30s" }
{{- end}}
    ]
    imports: [ { stream: { account: {{.Ingest}}, subject: "` + eventSubjects + `" } } ]
{{- if .Services}}
    users: [
{{- range .Services}}
      {
        user: "{{.Name}}"
        permissions: {
          publish: [ {{list .Publish}} ]
          subscribe: [ {{list .Subscribe}} ]
{{- if .Responses}}
          allow_responses: true
{{- end}}
        }
{{- if $.Leaf}}
        allowed_connection_types: [ {{if .Leaf}}LEAFNODE{{else}}STANDARD{{end}} ]
{{- end}}
      }
{{- end}}
    ]
{{- end}}
  }
{{- end}}

{{- define "gateway"}}
# The two servers are joined here. Each accepts only a certificate of the CA with the other's
# name. The certificates must not hold for an address: nats-server would accept that, too.
{{- if ne .OtherGateway (named .Other .OtherGateway)}}
# The second URL is never dialed where its name has no address: it is the name that the
# certificate behind the first one must have.
{{- end}}
gateway {
  name: {{.Name}}
  listen: "{{.Gateway}}"
{{- if ne .Gateway .Advertise}}
  advertise: "{{.Advertise}}"
{{- end}}
  # No other cluster may join.
  reject_unknown_cluster: true
  tls {
    cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}}
    verify_cert_and_check_known_urls: true
  }
  gateways: [
    { name: {{.Other}}, urls: [ "nats://{{.OtherGateway}}"{{if ne .OtherGateway (named .Other .OtherGateway)}}, "nats://{{named .Other .OtherGateway}}"{{end}} ] }
  ]
}
{{end}}
` + storeTemplates + servicesTemplates))
