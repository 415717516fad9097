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

	"github.com/nats-io/nkeys"

	"usher/app/checkup/finding"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/app/devserver"
	"usher/directory/snapshot"
	"usher/issuer"
)

const serverConfigCheck = "server config"

// checkServerConfig looks at a nats-server.conf: what is in it and cannot be asked of a
// server, such as its static users, is seen here alone.
func checkServerConfig(f *finding.List, file string, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot, largest answerSize) {
	const check = serverConfigCheck
	x, err := devserver.Read(file)
	switch {
	case err != nil:
		f.Fail(fault.Config, check, file, "it is read as nats-server reads it: check it where all files are that it names (nats-server -t -c FILE)", "%v", err)
		return
	case x.Operators > 0 || cfg.NATS.Mode == config.ModeOperator:
		f.Fail(fault.Config, check, file, "leave --server-config out: in operator mode accounts and users are JWTs, which are looked at", "is for config mode")
		return
	case x.Callout == nil:
		f.Fail(fault.Config, check, file, "set authorization.auth_callout, with account "+cfg.Accounts.Callout, "has no auth_callout: usher is not asked")
		return
	}
	before := len(*f)
	c := x.Callout
	if c.Account != cfg.Accounts.Callout {
		f.Fail(fault.Config, check, file, "accounts.callout and auth_callout.account are one and the same", "auth_callout.account is %s, accounts.callout says %s", c.Account, cfg.Accounts.Callout)
	}
	checkFileKeys(f, file, c, keys)
	checkFileAccounts(f, file, x, cfg, snapshot)
	checkFileUsers(f, file, x, cfg)
	checkStoreDir(f, file, x.StoreDir)
	if len(*f) == before {
		f.OK(check, file, "asks usher about every client but %s, and has every account that clients land in", strings.Join(c.AuthUsers, ", "))
	}
	(&serverCheck{List: f, url: file, largest: largest}).payload(x.MaxPayload)
}

// checkStoreDir warns of a store_dir with which nats-server can start with an empty store.
func checkStoreDir(f *finding.List, file, dir string) {
	const check = serverConfigCheck
	beside := filepath.Join(filepath.Dir(file), filepath.Base(dir))
	switch {
	case dir == "":
	case !filepath.IsAbs(dir):
		f.Warn(check, file, "set an absolute path", "store_dir %s is relative: nats-server resolves it from its working directory, and starts with an empty store in another one", dir)
	case !exists(dir) && exists(beside):
		f.Warn(check, file, "if this folder was moved, run usher init --moved "+filepath.Dir(file), "store_dir %s does not exist, but %s does: nats-server would start with an empty store", dir, beside)
	}
}

// checkFileKeys compares issuer and xkey with the keyring.
func checkFileKeys(f *finding.List, file string, c *devserver.Callout, keys *issuer.Keyring) {
	const check = serverConfigCheck
	if _, signs := keys.Signer(c.Issuer); !signs {
		hint := retiredHint(keys, c.Issuer)
		if hint == "" {
			hint = "put its seed into the keyring, or set auth_callout.issuer to " + issuerInUse(keys)
		}
		f.Fail(fault.Config, check, file, hint, "auth_callout.issuer is %s, which does not sign here", c.Issuer)
	}
	held := slices.ContainsFunc(keys.XKeys(), func(x *issuer.XKey) bool { return x.PublicKey() == c.XKey })
	switch set := "set auth_callout.xkey to " + operatormode.PublicXKey(keys); {
	case held:
	case c.XKey == "" && len(keys.XKeys()) == 0:
		f.Warn(check, file, "make one, and set auth_callout.xkey", "requests come in the clear: whoever reads in account %s reads credentials", c.Account)
	case c.XKey == "":
		f.Fail(fault.Config, check, file, set, "has no auth_callout.xkey, and the keyring has one: usher refuses requests in the clear")
	default:
		f.Fail(fault.Config, check, file, "put its seed into the keyring, or "+set, "auth_callout.xkey is %s, which is not in the keyring", c.XKey)
	}
}

// checkFileAccounts finds accounts that clients land in and that are missing.
func checkFileAccounts(f *finding.List, file string, x *devserver.File, cfg *config.Config, snapshot *snapshot.Snapshot) {
	lands := operatormode.LandsIn(cfg, snapshot)
	for _, name := range slices.Sorted(maps.Keys(lands)) {
		if !slices.Contains(x.Accounts, name) && !strings.HasPrefix(name, "$") {
			f.Fail(fault.Config, serverConfigCheck, file, "usher project add -c prints what to add (docs/how-to/project-accounts.md)",
				"has no account %s: clients that land in it are refused (%s)", name, lands[name])
		}
	}
}

// checkFileUsers finds users of the file that a server lets in by itself: usher decides
// nothing about them, and no grant of a project holds for them.
func checkFileUsers(f *finding.List, file string, x *devserver.File, cfg *config.Config) {
	const check = serverConfigCheck
	c := x.Callout
	own := map[string]bool{cfg.NATS.User: cfg.NATS.User != "", cfg.NATS.SystemUser: cfg.NATS.SystemUser != ""}
	for _, seed := range []string{cfg.NATS.NKeyFile, cfg.NATS.SystemNKeyFile} {
		if public := userNKey(seed); public != "" {
			own[public] = true
		}
	}
	var past []string
	for _, u := range x.Users {
		switch reason := "one of auth_users"; {
		case u.Name == x.NoAuthUser && c.Bypasses(u):
			f.Fail(fault.Config, check, file, "take no_auth_user out, or its user out of auth_users and its account into allowed_accounts: then usher is asked",
				"no_auth_user is %s of %s, which is let in without usher being asked: whoever has no credential is that user", u.Name, u.Account)
		case own[u.Name] || !c.Bypasses(u):
		default:
			if !slices.Contains(c.AuthUsers, u.Name) {
				reason = "its account is not among allowed_accounts"
			}
			past = append(past, fmt.Sprintf("%s in %s (%s)", u.Name, u.Account, reason))
		}
	}
	if len(past) > 0 {
		slices.Sort(past)
		f.Warn(check, file, "usher decides about a user that is not among auth_users, and whose account is among allowed_accounts where that is set",
			"the server lets %s of the file in without asking usher: %s", plural.Count(len(past), "user"), strings.Join(past, "; "))
	}
}

// userNKey returns the public key of a user nkey's seed file; empty: it cannot be read,
// which whoever needs it says.
func userNKey(file string) string {
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
