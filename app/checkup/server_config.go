package checkup

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"usher/internal/fault"
	"usher/internal/plural"
	"usher/internal/shellword"

	"github.com/nats-io/nkeys"

	"usher/app/checkup/finding"
	"usher/app/checkup/gateway"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/app/devserver"
	"usher/directory/snapshot"
	"usher/issuer"
)

// checkServerConfig checks a nats-server.conf. Only the file shows some settings, for
// example static users: servers do not report them. It returns what is in the file; nil:
// it cannot be used.
func checkServerConfig(f *finding.List, file string, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot, largest answerSize) *devserver.File {
	const check = "server config"
	x, err := devserver.Read(file)
	switch {
	case err != nil:
		f.Fail(fault.Config, check, file, "run the check on the machine that has all files it includes (compare nats-server -t -c FILE)", "%v", err)
		return nil
	case x.Operators > 0 || cfg.NATS.Mode == config.ModeOperator:
		f.Fail(fault.Config, check, file, "omit --server-config: in operator mode usher checks the account and user JWTs", "is for config mode")
		return nil
	case x.Gateway != nil && gateway.DecidesItself(cfg, x.Gateway.Name):
		return x
	case x.Callout == nil:
		f.Fail(fault.Config, check, file, "set authorization.auth_callout, with account "+cfg.Accounts.Callout, "has no auth_callout: the server does not ask usher")
		return x
	}
	before := len(*f)
	c := x.Callout
	if c.Account != cfg.Accounts.Callout {
		f.Fail(fault.Config, check, file, "accounts.callout and auth_callout.account must be the same", "auth_callout.account is %s, but accounts.callout is %s", c.Account, cfg.Accounts.Callout)
	}
	checkFileKeys(f, file, c, keys)
	checkFileAccounts(f, file, x, cfg, snapshot)
	checkFileUsers(f, file, x, cfg)
	checkStoreDir(f, file, x)
	if len(*f) == before {
		f.OK(check, file, "asks usher about every client except %s, and has every account that clients use", strings.Join(c.AuthUsers, ", "))
	}
	(&serverCheck{List: f, url: file, largest: largest}).payload(x.MaxPayload)
	return x
}

// checkStoreDir warns of a store_dir with which nats-server can start with an empty store.
func checkStoreDir(f *finding.List, file string, x *devserver.File) {
	const check = "server config"
	dir, unused := x.StoreDir, x.UnusedStore(file)
	moved := "if you moved the folder: stop nats-server; usher init --moved " + shellword.Quote(filepath.Dir(file)) + "; start it again"
	switch {
	case dir == "":
	case !filepath.IsAbs(dir):
		f.Warn(check, file, "set an absolute path", "store_dir %s is relative: nats-server resolves it from its working directory, and starts with an empty store in another one", dir)
	case unused != "" && !exists(dir):
		f.Warn(check, file, moved, "store_dir %s does not exist, but %s does: nats-server would start with an empty store", dir, unused)
	case unused != "":
		f.Warn(check, file, moved, "store_dir is %s, but %s has data, which nats-server does not use", dir, unused)
	}
}

// checkFileKeys compares issuer and xkey with the keyring.
func checkFileKeys(f *finding.List, file string, c *devserver.Callout, keys *issuer.Keyring) {
	const check = "server config"
	if _, ok := keys.Signer(c.Issuer); !ok {
		hint := retiredHint(keys, c.Issuer)
		if hint == "" {
			hint = "add its seed to the keyring, or set auth_callout.issuer to " + issuerInUse(keys)
		}
		f.Fail(fault.Config, check, file, hint, "auth_callout.issuer is %s, but the keyring cannot sign with it", c.Issuer)
	}
	inKeyring := slices.ContainsFunc(keys.XKeys(), func(x *issuer.XKey) bool { return x.PublicKey() == c.XKey })
	switch set := "set auth_callout.xkey to " + operatormode.PublicXKey(keys); {
	case inKeyring:
	case c.XKey == "" && len(keys.XKeys()) == 0:
		f.Warn(check, file, "create one, and set auth_callout.xkey", "requests are not encrypted: a client that can subscribe in account %s can read credentials", c.Account)
	case c.XKey == "":
		f.Fail(fault.Config, check, file, set, "has no auth_callout.xkey, but the keyring has an xkey: usher refuses unencrypted requests")
	default:
		f.Fail(fault.Config, check, file, "add its seed to the keyring, or "+set, "auth_callout.xkey is %s, but it is not in the keyring", c.XKey)
	}
}

// checkFileAccounts finds accounts that clients use but the file does not have.
func checkFileAccounts(f *finding.List, file string, x *devserver.File, cfg *config.Config, snapshot *snapshot.Snapshot) {
	used := operatormode.UsedAccounts(cfg, snapshot)
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if !slices.Contains(x.Accounts, name) && !strings.HasPrefix(name, "$") {
			f.Fail(fault.Config, "server config", file, "usher project add -c prints what to add (docs/how-to/project-accounts.md)",
				"has no account %s: the server refuses clients that use it (%s)", name, used[name])
		}
	}
}

// checkFileUsers finds static users of the file that a server accepts without asking usher.
// No grant limits them.
func checkFileUsers(f *finding.List, file string, x *devserver.File, cfg *config.Config) {
	const check = "server config"
	c := x.Callout
	ushersUsers := map[string]bool{}
	for _, name := range []string{cfg.NATS.User, cfg.NATS.SystemUser, cfg.Sessions.User} {
		ushersUsers[name] = name != ""
	}
	for _, seed := range []string{cfg.NATS.NKeyFile, cfg.NATS.SystemNKeyFile, cfg.Sessions.NKeyFile} {
		if public := publicUserKey(seed); public != "" {
			ushersUsers[public] = true
		}
	}
	var bypassing []string
	for _, u := range x.Users {
		switch reason := "one of auth_users"; {
		case u.Name == x.NoAuthUser && c.Bypasses(u):
			f.Fail(fault.Config, check, file, "remove no_auth_user; or remove its user from auth_users and add its account to allowed_accounts, so that the server asks usher",
				"no_auth_user is %s of %s: the server accepts clients without a credential as that user and does not ask usher", u.Name, u.Account)
		case ushersUsers[u.Name] || !c.Bypasses(u):
		default:
			if !slices.Contains(c.AuthUsers, u.Name) {
				reason = "its account is not in allowed_accounts"
			}
			bypassing = append(bypassing, fmt.Sprintf("%s in %s (%s)", u.Name, u.Account, reason))
		}
	}
	if len(bypassing) > 0 {
		slices.Sort(bypassing)
		f.Warn(check, file, "remove them from auth_users and, if allowed_accounts is set, add their account to it, so that the server asks usher",
			"the server accepts %s of the file without asking usher: %s", plural.Count(len(bypassing), "user"), strings.Join(bypassing, "; "))
	}
}

// publicUserKey returns the public key of a file with a user nkey; empty: it cannot be read,
// which another check reports.
func publicUserKey(file string) string {
	if file == "" {
		return ""
	}
	text, err := os.ReadFile(file) //nolint:gosec // the path is the operator's
	if err != nil {
		return ""
	}
	defer clear(text)
	kp, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return ""
	}
	public, err := kp.PublicKey()
	if err != nil {
		return ""
	}
	return public
}
