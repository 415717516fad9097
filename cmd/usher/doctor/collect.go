package doctor

import (
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/doctor"
	"usher/app/doctor/bundle"
)

// collect puts the findings and the facts into a bundle. cfg is nil if usher.yaml cannot be
// used.
func collect(c *cli.Context, at time.Time, cfg *config.Config, f finding.List, facts *doctor.Report) (*bundle.Bundle, error) {
	r, problems := bundle.NewRedactor(cfg)
	b := bundle.New(r, at)
	var text strings.Builder
	for _, x := range f {
		fmt.Fprintf(&text, "%-7s %s\n", x.Severity, strings.TrimSpace(x.Check+" "+x.Where+" "+x.Path+": "+x.Detail))
		if x.Hint != "" {
			fmt.Fprintf(&text, "        hint: %s\n", x.Hint)
		}
	}
	b.Add("findings.txt", "what usher doctor found; those of the directory name users, others count", text.String())
	if err := b.AddJSON("findings.json", "the same as JSON", f); err != nil {
		return nil, err
	}
	if err := b.AddJSON("system.json", "this build of usher, the machine, and the limits of this process", facts.System); err != nil {
		return nil, err
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Add("build.txt", "how this program was built, and the modules in it", info.String())
	}
	if cfg == nil {
		b.Leave("secrets in the files of usher.yaml, which are not known: in logs they are hidden only if they look like one, or stand where one does")
		b.Leave("usher.yaml and all that it names: it cannot be used, findings.txt says why")
	} else if err := collectInstallation(b, cfg, facts, c.Bool("offline")); err != nil {
		return nil, err
	}
	for _, key := range problems {
		b.Leave("the file of %s cannot be read, so a secret in it is hidden elsewhere only if it looks like one", key)
	}
	return b, collectLogs(c, b, cfg)
}

// collectInstallation adds the configuration, the keys, and what runs.
func collectInstallation(b *bundle.Bundle, cfg *config.Config, facts *doctor.Report, offline bool) error {
	text, err := bundle.Configuration(cfg)
	if err != nil {
		return err
	}
	b.Add("usher.yaml.txt", "every key of usher.yaml that is in force, with its defaults; no arguments of programs", text)
	if keys, err := assembly.LoadKeyring(cfg); err != nil {
		b.Leave("the keyring: it cannot be loaded, findings.txt says why")
	} else if err := b.AddJSON("keyring.json", "public keys of the keyring and their states", bundle.Keys(keys)); err != nil {
		return err
	}
	b.Leave("seeds, passwords, tokens and other secrets: doctor reads them to hide them elsewhere")
	b.Leave("users, projects and topics of the directory: the finding directory has their numbers")
	if offline {
		b.Leave("servers and the running usher: --offline")
		return nil
	}
	if err := b.AddJSON("nats/servers.json", "the servers of nats.urls, as the service user sees them, and their clocks", facts.Servers); err != nil {
		return err
	}
	if facts.Varz == nil {
		b.Leave("what the servers report about themselves: there is no system user, or no server answers it")
	} else if err := b.AddJSON("nats/varz.json", "what each server reports about itself (VARZ)", facts.Varz); err != nil {
		return err
	}
	if facts.Running == nil {
		b.Leave("metrics and readiness: no usher answers on http.listen")
		return nil
	}
	b.AddMetrics("usher/metrics.txt", "metrics of the running usher", string(facts.Running.Metrics))
	b.Add("usher/readyz.txt", fmt.Sprintf("answer of /readyz, HTTP %d", facts.Running.Status), string(facts.Running.Ready))
	return nil
}

// collectLogs adds the ends of logs, and of the audit if it is wanted.
func collectLogs(c *cli.Context, b *bundle.Bundle, cfg *config.Config) error {
	logs, lines := c.StringSlice("log"), c.Int("lines")
	for i, file := range logs {
		text, err := tail("--log", file, lines)
		if err != nil {
			return err
		}
		b.Add(fmt.Sprintf("logs/%d.txt", i+1), fmt.Sprintf("the last lines, at most %d, of %s", lines, filepath.Base(file)), text)
	}
	if len(logs) == 0 {
		b.Leave("logs: --log FILE includes the end of one")
	}
	n := c.Int("with-audit")
	switch {
	case n == 0:
		b.Leave("the audit, which names users and addresses: --with-audit N includes its end")
	case cfg == nil || cfg.Audit.To != config.AuditFile:
		b.Leave("the audit: audit.to is not file; usher audit search finds events of a stream")
	default:
		text, err := tail("audit.file", cfg.Audit.File, n)
		if err != nil {
			return err
		}
		b.Add("logs/audit.jsonl", fmt.Sprintf("the last events of the audit, at most %d", n), text)
	}
	return nil
}
