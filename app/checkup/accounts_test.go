package checkup

import (
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/callout/callouttest"
)

// TestCheckMQTTAccounts: an account of accounts.mqtt_client_ids that no client uses is a warning.
func TestCheckMQTTAccounts(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Accounts.ServiceAdmin, cfg.Accounts.Ingest, cfg.Accounts.HealthCheck = "ADMINS", "INGEST", "HEALTH"
	cfg.Accounts.MQTTClientIDs = map[string]string{
		"APP": "any", "ADMINS": "any", "INGEST": "user", "HEALTH": "user", "nope": "any",
	}
	var f finding.List
	checkAccounts(&f, &cfg, callouttest.ParseDirectory(t, "projects: [{name: shop, account: APP}]\n"))
	warned := 0
	for _, x := range f {
		if x.Severity == finding.Warning {
			warned++
			if x.Where != "nope" || !strings.Contains(x.Detail, "no client uses it") || !strings.Contains(x.Hint, "ADMINS, APP, HEALTH, INGEST") {
				t.Errorf("%+v", x)
			}
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings: %+v", warned, f)
	}
}
