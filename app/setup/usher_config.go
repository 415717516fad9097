package setup

import (
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"

	"usher/app/config"
)

// usherConfig returns usher.yaml.
func (o *Options) usherConfig() ([]byte, error) {
	url, err := clientURL(o.Listen)
	if err != nil {
		return nil, err
	}
	values := map[string]string{
		"nats.urls":              "[" + url + "]",
		"accounts.callout":       AccountCallout,
		"accounts.system":        AccountSystem,
		"accounts.ingest":        AccountIngest,
		"accounts.service_admin": AccountApp,
		"accounts.healthcheck":   AccountHealth,
		"keyring.dir":            DirKeys,
		"healthcheck.token_file": FileHealthToken,
		"api.listen":             ListenAPI,
		"api.messages":           "true",
		"projects.streams":       config.StreamsManaged,
		"sessions.state_file":    FileState,
		"audit.to":               "file",
		"audit.file":             FileAudit,
	}
	header, modeValues := "", map[string]string{
		"nats.user": ServiceUser, "nats.password_file": FilePassword,
		"nats.system_user": SystemUser, "nats.system_password_file": FileSystem,
		"sessions.user": SessionsUser, "sessions.password_file": FileSessions,
	}
	if o.Operator {
		header, modeValues = o.operatorHeader(), operatorConfig()
	}
	maps.Copy(values, modeValues)
	maps.Copy(values, o.directoryConfig())
	maps.Copy(values, o.Config)
	yaml, err := config.Example(values)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", FileConfig, err)
	}
	return append([]byte(header), yaml...), nil
}

// directoryConfig returns the values of usher.yaml for the directory.
func (o *Options) directoryConfig() map[string]string {
	if !o.KV {
		return map[string]string{"directory.file": FileDirectory}
	}
	return map[string]string{
		"directory.from":          config.DirectoryKV,
		"directory.snapshot_file": FileSnapshot,
	}
}

// clientURL returns the URL by which this machine reaches a listener, as an item of a
// YAML list.
func clientURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("listen address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "nats://" + net.JoinHostPort(host, port)
	if strings.Contains(host, ":") {
		return strconv.Quote(url), nil // YAML reads unquoted brackets as a list
	}
	return url, nil
}
