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

// checkAccounts finds projects and grants that share an account but should not.
// checkServerAccounts checks which accounts the servers have.
func checkAccounts(f *finding.List, cfg *config.Config, s *snapshot.Snapshot) {
	a := &cfg.Accounts
	const separate = "give accounts.ingest an account of its own, and export the subjects that others need"
	const exposure = "clients with the ingest grant can read replies to other clients in it"
	if a.Ingest != "" && a.Ingest == a.ServiceAdmin {
		f.Warn("accounts", a.Ingest, separate, "is used for accounts.ingest and accounts.service_admin: %s", exposure)
	}
	if s == nil {
		return
	}
	checkMQTTAccounts(f, cfg, s)
	var used, shared []string
	for _, p := range assembly.SortedProjects(s) {
		used = append(used, p.Account)
		if p.Account == a.Ingest {
			shared = append(shared, p.Name)
		}
		if (p.Account == "SYS" || p.Account == "$SYS") && p.Account != a.System {
			f.Warn("accounts", p.Account, "if it is the server's system account, set accounts.system to "+p.Account+" and give the project another account",
				"project %s uses it, and by its name it is a system account, but accounts.system does not name it", p.Name)
		}
	}
	if len(shared) > 0 {
		f.Warn("accounts", a.Ingest, separate, "is accounts.ingest and the account of %s: %s", strings.Join(shared, ", "), exposure)
	}
	if len(used) > 0 {
		slices.Sort(used)
		f.OK("accounts", strings.Join(slices.Compact(used), ", "), "used by the directory")
	}
}

// checkMQTTAccounts finds accounts in accounts.mqtt_client_ids that no client uses. A
// mistyped name leaves the intended account without the setting.
func checkMQTTAccounts(f *finding.List, cfg *config.Config, s *snapshot.Snapshot) {
	used := operatormode.UsedAccounts(cfg, s)
	for _, name := range slices.Sorted(maps.Keys(cfg.Accounts.MQTTClientIDs)) {
		if _, ok := used[name]; !ok {
			f.Warn("accounts", name, "is the name correct? clients use "+strings.Join(slices.Sorted(maps.Keys(used)), ", "),
				"accounts.mqtt_client_ids names it, but no client uses it")
		}
	}
}

// checkOrphanedAccounts finds accounts that were created for a project but that no project
// uses. A new project of that name would get the data in them.
func checkOrphanedAccounts(f *finding.List, s *snapshot.Snapshot, keys *issuer.Keyring) {
	used := map[string]bool{}
	for p := range s.Projects() {
		used[p.Account] = true
	}
	for _, a := range keys.Accounts() {
		if a.Project != "" && !used[a.Name] {
			f.Warn("accounts", a.Name, "usher project rm -c closes it; usher project add -c adds the project again",
				"was created for project %s, but no project uses it: a new project of that name would get its data", a.Project)
		}
	}
}

// checkServerAccounts finds accounts that clients use but that a server does not have. Such
// a server refuses the clients. It is for config mode.
func checkServerAccounts(f *finding.List, cfg *config.Config, s *snapshot.Snapshot, v *systemView) {
	if cfg.NATS.Mode == config.ModeOperator {
		return // servers load the JWT of an account when a client needs it
	}
	used := operatormode.UsedAccounts(cfg, s)
	sound := true
	for _, name := range slices.Sorted(maps.Keys(used)) {
		var without []string
		for _, server := range v.servers {
			if name != cfg.Accounts.Ingest && v.decidesItself(cfg, server.ID) {
				continue // only events get there from clients of usher
			}
			if accounts, ok := v.accounts[server.ID]; ok && !slices.Contains(accounts, name) {
				without = append(without, server.Name)
			}
		}
		if len(without) == 0 {
			continue
		}
		sound = false
		f.Fail(fault.Config, "accounts", name, "add it to accounts in the configuration of every server, and reload them (docs/how-to/project-accounts.md)",
			"missing on %s: clients that use it cannot connect there (%s)", strings.Join(without, ", "), used[name])
	}
	if sound && len(v.accounts) > 0 {
		f.OK("accounts", strings.Join(slices.Sorted(maps.Keys(used)), ", "), "on every server: %s", operator.Names(slices.DeleteFunc(slices.Clone(v.servers), func(x operator.Server) bool { return v.decidesItself(cfg, x.ID) })))
	}
}
