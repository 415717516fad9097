package setup

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	issueroperator "usher/issuer/operator"
)

// externalConfig returns the configuration of the nats-server for supervisors.
func (g *EventGateway) externalConfig(issuer, xkey, hash, systemHash string) []byte {
	return g.execute("external", map[string]any{
		"Issuer": issuer, "XKey": xkey, "Hash": hash, "SysHash": systemHash,
		"User": ServiceUser, "SysUser": SystemUser, "Callout": AccountCallout, "Health": AccountHealth,
		"Asks":    strings.Join(issueroperator.MonitoringSubjects(), `", "`),
		"Name":    GatewayExternal,
		"Listen":  g.Listen,
		"Gateway": g.GatewayOf.External,
		"Other":   GatewayInternal, "OtherGateway": g.GatewayOf.Internal,
	})
}

// internalConfig returns the configuration of the nats-server for services.
func (g *EventGateway) internalConfig() []byte {
	leaf := ""
	if g.Bridge != nil {
		leaf = g.Bridge.Leaf
	}
	return g.execute("internal", map[string]any{
		"Services": g.services(), "Leaf": leaf, "Store": ServiceStore,
		"Name":    GatewayInternal,
		"Listen":  g.Internal,
		"Gateway": g.GatewayOf.Internal,
		"Other":   GatewayExternal, "OtherGateway": g.GatewayOf.External,
	})
}

func (g *EventGateway) execute(name string, values map[string]any) []byte {
	values["Ingest"], values["Events"], values["System"] = AccountIngest, AccountEvents, AccountSystem
	values["Streaming"] = streamingSubjects()
	t := template.Must(eventGatewayTemplate.Clone()).Funcs(template.FuncMap{
		"file": func(name string) string { return strconv.Quote(filepath.ToSlash(g.path(name))) },
		"port": func(address string) string { return address[strings.LastIndex(address, ":")+1:] },
	})
	var b bytes.Buffer
	// The templates are constants and execute with any values.
	_ = t.ExecuteTemplate(&b, name, values)
	return b.Bytes()
}

//nolint:gochecknoglobals // a parsed constant
var eventGatewayTemplate = template.Must(template.New("").Funcs(template.FuncMap{
	"file": func(string) string { return "" }, "port": func(string) string { return "" }, // set by execute
	"list": func(subjects []string) string { return `"` + strings.Join(subjects, `", "`) + `"` },
	"cert": CertFile, "key": KeyFile, "ca": func() string { return FileCA }, "public": func() string { return CertPublic }, "jetstream": func() string { return DirJetStream },
}).Parse(`
{{- define "external" -}}
# Made by "usher init --event-gateway". The nats-server for supervisors: nats-server -c ` + FileExternal + `
server_name: {{.Name}}
listen: "{{.Listen}}"

# What supervisors see. nats-server chooses the certificate by the name that a client asks
# for (SNI), and the first one for a client that asks for none.
tls {
  certs: [ { cert_file: {{file (cert public)}}, key_file: {{file (key public)}} } ]
  min_version: "1.2"
}

accounts {
  # nats-server sends its authorization requests to usher in this account.
  {{.Callout}} { users: [ { user: {{.User}}, password: "{{.Hash}}" } ] }
{{template "accounts" .}}
  # For "usher healthcheck" only.
  {{.Health}} {}
  # The system account has one user, for "usher check". It can query the servers and
  # change nothing.
  {{.System}} {
    users: [ {
      user: {{.SysUser}}, password: "{{.SysHash}}"
      permissions: { publish: [ "{{.Asks}}" ], subscribe: "_INBOX.>" }
    } ]
  }
}
system_account: {{.System}}

authorization {
` + timeoutNote + `  timeout: 3
  auth_callout {
    account: {{.Callout}}
    auth_users: [ {{.User}}, {{.SysUser}} ]
    issuer: {{.Issuer}}
    xkey: {{.XKey}}
  }
}
{{template "gateway" .}}
{{- end}}

{{- define "internal" -}}
# Made by "usher init --event-gateway". The nats-server for services: nats-server -c ` + FileInternal + `
server_name: {{.Name}}
listen: "{{.Listen}}"

# A client needs a certificate of this CA, whose DNS name is one of the users below.
tls {
  cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}}
  verify_and_map: true
}

accounts {
{{- template "accounts" .}}
  {{.System}} {}
}
system_account: {{.System}}
{{- if .Leaf}}
{{template "leaf" .}}
{{- end}}
{{template "gateway" .}}
{{- end}}

{{- define "accounts"}}
  # For supervisors, who publish events. It has the same name on both servers.
  {{.Ingest}} {
    exports: [ { stream: "` + ingestSubjects + `", accounts: [ {{.Events}} ] } ]
    imports: [
{{- range .Streaming}}
      { service: { account: {{$.Events}}, subject: "{{.}}" } }
{{- end}}
    ]
  }
  # For services: the streaming server, and those that read events.
  {{.Events}} {
    exports: [
{{- range .Streaming}}
      { service: "{{.}}", accounts: [ {{$.Ingest}} ] }
{{- end}}
    ]
    imports: [ { stream: { account: {{.Ingest}}, subject: "` + ingestSubjects + `" } } ]
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
# The two servers are joined here. Each needs a certificate of the CA with the other's name.
# The second URL is never dialed where its name has no address: it is the name that the
# certificate behind the first one must have.
gateway {
  name: {{.Name}}
  listen: "{{.Gateway}}"
  reject_unknown_cluster: true
  tls {
    cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}}
    verify_cert_and_check_known_urls: true
  }
  gateways: [
    { name: {{.Other}}, urls: [ "nats://{{.OtherGateway}}", "nats://{{.Other}}:{{port .OtherGateway}}" ] }
  ]
}
{{end}}
` + storeTemplates))
