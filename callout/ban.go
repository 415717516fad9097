package callout

import (
	"strings"

	"usher/directory"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/health"
)

// checkPresented refuses what is banned before the credential is verified, so that a banned
// network costs no backend a call. It reports whether the decision goes on. usher's own health
// check is never banned.
func (d *Decider) checkPresented(out *Decision, c *tokens.Credential) bool {
	s := d.Snapshot()
	if s == nil || s.Bans() == nil || strings.HasPrefix(c.Token(), health.Prefix) {
		return true
	}
	return out.allow(tokens.CheckPresented(s.Bans(), c, d.Now()))
}

// checkBans refuses an identity that is banned, and what has been banned since the credential
// was presented.
func (d *Decider) checkBans(out *Decision, c *tokens.Credential) bool {
	if out.Snapshot == nil || out.Snapshot.Bans() == nil || out.Identity.Authority == identity.AuthorityUsher {
		return true
	}
	bans, now := out.Snapshot.Bans(), d.Now()
	return out.allow(tokens.CheckPresented(bans, c, now)) &&
		out.allow(tokens.CheckIdentity(bans, c, out.Identity, out.Facts.User, now))
}

// checkBanInAccount refuses an MQTT client id that is banned in the account of the grant.
func (d *Decider) checkBanInAccount(out *Decision, c *tokens.Credential) bool {
	if out.Snapshot == nil || !out.Snapshot.Bans().Has(directory.BanOfMQTT) {
		return true
	}
	return out.allow(tokens.CheckMQTTClientID(out.Snapshot.Bans(), c, out.Grant.Account, out.Identity, d.Now()))
}

// allow sets the outcome of a refusal, and reports whether there is none.
func (d *Decision) allow(err error) bool {
	if err == nil {
		return true
	}
	known := d.Identity // what was found so far stays in the audit
	d.verifyFailed(err)
	d.Identity = known
	return false
}
