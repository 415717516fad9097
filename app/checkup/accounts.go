package checkup

import (
	"maps"
	"slices"
	"strings"

	"usher/internal/fault"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/issuer/operator"
)

// checkAccounts looks at who shares an account with whom. Which accounts a server has is
// looked at by accountsOfServers.
func checkAccounts(f *finding.List, cfg *config.Config, s *snapshot.Snapshot) {
	a := &cfg.Accounts
	const apart = "give accounts.ingest an account of its own, and export the subjects that others need"
	const reads = "clients with the ingest grant can read replies to other clients in it"
	if a.Ingest != "" && a.Ingest == a.ServiceAdmin {
		f.Warn("accounts", a.Ingest, apart, "is used for accounts.ingest and accounts.service_admin: %s", reads)
	}
	if s == nil {
		return
	}
	checkMqttAccounts(f, cfg, s)
	var named, shared []string
	for _, p := range assembly.SortedProjects(s) {
		named = append(named, p.Account)
		if p.Account == a.Ingest {
			shared = append(shared, p.Name)
		}
		if (p.Account == "SYS" || p.Account == "$SYS") && p.Account != a.System {
			f.Warn("accounts", p.Account, "if it is the server's system account, set accounts.system to "+p.Account+" and give the project another account",
				"project %s uses it, and by its name it is a system account, but accounts.system does not name it", p.Name)
		}
	}
	if len(shared) > 0 {
		f.Warn("accounts", a.Ingest, apart, "is accounts.ingest and the account of %s: %s", strings.Join(shared, ", "), reads)
	}
	if len(named) > 0 {
		slices.Sort(named)
		f.OK("accounts", strings.Join(slices.Compact(named), ", "), "used by the directory")
	}
}

// checkMqttAccounts finds accounts.mqtt_client_ids of accounts that nobody lands in: a name
// that is mistyped leaves the account that was meant as it is.
func checkMqttAccounts(f *finding.List, cfg *config.Config, s *snapshot.Snapshot) {
	lands := operatormode.LandsIn(cfg, s)
	for _, name := range slices.Sorted(maps.Keys(cfg.Accounts.MQTTClientIDs)) {
		if _, there := lands[name]; !there {
			f.Warn("accounts", name, "is the name correct? clients use "+strings.Join(slices.Sorted(maps.Keys(lands)), ", "),
				"accounts.mqtt_client_ids names it, but no client uses it")
		}
	}
}

// checkLeftAccounts finds accounts that were made for a project and that no project is in:
// who gets a project of that name would get what they hold.
func checkLeftAccounts(f *finding.List, s *snapshot.Snapshot, keys *issuer.Keyring) {
	inhabited := map[string]bool{}
	for p := range s.Projects() {
		inhabited[p.Account] = true
	}
	for _, a := range keys.Accounts() {
		if a.Project != "" && !inhabited[a.Name] {
			f.Warn("accounts", a.Name, "usher project rm -c closes it; usher project add -c adds the project again",
				"was created for project %s, but no project uses it: a new project of that name would get its data", a.Project)
		}
	}
}

// checkAccountsOfServers says which accounts that clients land in are missing on which
// server, in config mode: a server refuses whoever is placed in an account that it does
// not have.
func checkAccountsOfServers(f *finding.List, cfg *config.Config, s *snapshot.Snapshot, v *systemView) {
	if cfg.NATS.Mode == config.ModeOperator {
		return // servers load an account when somebody comes
	}
	lands := operatormode.LandsIn(cfg, s)
	sound := true
	for _, name := range slices.Sorted(maps.Keys(lands)) {
		var without []string
		for _, server := range v.servers {
			if has, said := v.accounts[server.ID]; said && !slices.Contains(has, name) {
				without = append(without, server.Name)
			}
		}
		if len(without) == 0 {
			continue
		}
		sound = false
		f.Fail(fault.Config, "accounts", name, "add it to accounts in the configuration of every server, and reload them (docs/how-to/project-accounts.md)",
			"missing on %s: clients that use it cannot connect there (%s)", strings.Join(without, ", "), lands[name])
	}
	if sound && len(v.accounts) > 0 {
		f.OK("accounts", strings.Join(slices.Sorted(maps.Keys(lands)), ", "), "on every server: %s", operator.Names(v.servers))
	}
}
