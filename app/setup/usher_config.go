package setup

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"usher/app/config"
)

// usherConfig returns usher.yaml. usher connects to url.
func (o *Options) usherConfig(url string) ([]byte, error) {
	values := map[string]string{
		"nats.urls":              yamlList(url),
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

// yamlList returns a YAML list of one URL.
func yamlList(url string) string {
	if strings.Contains(url, "[") {
		url = strconv.Quote(url) // YAML reads unquoted brackets as a list
	}
	return "[" + url + "]"
}
