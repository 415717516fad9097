package config

import (
	"time"

	"usher/app/config/schema"
)

// Sessions configures how usher knows the live sessions.
type Sessions struct {
	User         string        `yaml:"user" rule:"line" doc:"User name of a user of the system account, with which usher lists and closes connections, in config mode. Without one of sessions.user, sessions.nkey_file and sessions.creds_file usher cannot close a connection. usher init makes a user that may do nothing else. Set it together with sessions.password_file."`
	PasswordFile string        `yaml:"password_file" rule:"path" doc:"File with the password of sessions.user. usher refuses a file that others can read, see keyring.allow_group_readable."`
	NKeyFile     string        `yaml:"nkey_file" rule:"path" doc:"File with the user nkey seed of that user, instead of sessions.user and its password. usher refuses a file that others can read, see keyring.allow_group_readable."`
	CredsFile    string        `yaml:"creds_file" rule:"path" doc:"Credentials file (.creds) of that user, in operator mode. usher refuses a file that others can read, see keyring.allow_group_readable."`
	StateFile    string        `yaml:"state_file" rule:"path" doc:"File in which usher keeps the live sessions while it does not run, created with mode 0600. With it a single usher still knows after a restart why its clients were granted; several tell each other. usher writes it every 30 s if something has changed, and when it stops. A file that cannot be read is reported and ignored. Each usher instance needs its own file."`
	Limits       SessionLimits `yaml:"limits" doc:"How many connections there may be at a time."`
	Flapping     Flapping      `yaml:"flapping" doc:"Bans sources that connect again and again (docs/how-to/ban.md). Off unless sessions.flapping.connects is set."`
}

// Flapping says which sources connect too often.
type Flapping struct {
	Connects int           `yaml:"connects" rule:"between=0..1000000" doc:"Connects of one source within sessions.flapping.within above which usher bans it, as far as one usher decides about them. Set it well above the number of connections that a source has: a fleet with one key comes back at once. 0: no detection."`
	Within   time.Duration `yaml:"within" default:"1m" rule:"at-least=1s at-most=24h" doc:"The time for sessions.flapping.connects. Nothing is counted for this time, at least a minute, after usher or a server has started, or a server has gone."`
	BanFor   time.Duration `yaml:"ban_for" default:"10m" rule:"at-least=1s at-most=720h" doc:"How long such a ban holds. It is in the bucket of the directory; with a directory file each usher keeps its own in memory."`
	By       []string      `yaml:"by" default:"[credential]" rule:"nonempty each=one-of=credential|user|address unique" doc:"What is a source. credential: a token, nkey or certificate; user: a user, or an identity of an authority; both count only granted connects. address: a client address (IPv6: /64 network), also its denied connects; many clients can share one."`
	Except   []string      `yaml:"except" default:"[]" rule:"each=network unique" doc:"Networks whose connects never count, such as that of a proxy."`
}

// SessionLimits configures how many connections there may be at a time. Each limit needs a
// user of the system account.
type SessionLimits struct {
	PerUser    int    `yaml:"per_user" default:"0" rule:"between=0..10000000" doc:"Connections that a user may have at a time, on all servers together. 0: any number."`
	PerKey     int    `yaml:"per_key" default:"0" rule:"between=0..10000000" doc:"Connections that may be made with one key of a user at a time. 0: any number."`
	PerProject int    `yaml:"per_project" default:"0" rule:"between=0..10000000" doc:"Connections at a time to a project, of all its members together: those that select the project, or have roles in no other. 0: any number."`
	Over       string `yaml:"over" default:"deny_newest" rule:"one-of=deny_newest|close_oldest" doc:"What happens to one connection too many. deny_newest: usher denies it (too_many_connections). close_oldest: usher grants it and closes the oldest one of the same user."`
}

// The values of sessions.limits.over.
const (
	OverDenyNewest  = "deny_newest"
	OverCloseOldest = "close_oldest"
)

// Configured reports whether usher has a user of the system account for sessions.
func (s *Sessions) Configured() bool { return s.User != "" || s.NKeyFile != "" || s.CredsFile != "" }

// The values of revocation.when.
const (
	RevokeImmediately   = "immediate"
	RevokeAtNextConnect = "next_connect"
)

// The values of revocation.on_gain.
const (
	OnGainKeep      = "keep"
	OnGainReconnect = "reconnect"
)

// SessionRevocation configures when sessions are closed.
type SessionRevocation struct {
	When   string `yaml:"when" default:"immediate" rule:"one-of=immediate|next_connect" doc:"immediate: usher closes a session that has lost something, which needs a user of the system account (sessions.user, sessions.nkey_file or sessions.creds_file). next_connect: the session stays open until its user JWT expires; the next connect is decided by the new state. Without a user of the system account it is always next_connect."`
	OnGain string `yaml:"on_gain" reload:"live" default:"keep" rule:"one-of=keep|reconnect" doc:"What happens to a session whose grant has only gained something. keep: it stays as it is. reconnect: usher closes it, so that its client comes back with the new grant."`
	Rate   int    `yaml:"rate" reload:"live" default:"2000" rule:"between=1..100000" doc:"Sessions that all ushers together close in a second for revocation.on_gain. Sessions that have lost something are closed at once."`
	JWT    bool   `yaml:"jwt" doc:"Also revoke the user JWT of a session that is closed in the JWT of its account, in operator mode. A server that usher cannot reach closes the connection as soon as it has the account JWT. The service then signs for the operator, see operator.create_accounts."`
}

func sessionConstraints() []schema.Constraint {
	return []schema.Constraint{
		schema.AtMostOne([]string{"sessions.user", "sessions.password_file"}, []string{"sessions.nkey_file"}, []string{"sessions.creds_file"}),
		schema.BothOrNeither("sessions.user", "sessions.password_file"),
		limitsNeedUser(),
		onlyInMode(ModeConfig, "sessions.user"),
		onlyInMode(ModeOperator, "sessions.creds_file"),
		operatorModeOnly("revocation.jwt"),
		signsForOperator("revocation.jwt", "operator.dir", "operator.system_creds_file"),
		revokesJWTs(),
	}
}

// revokesJWTs: entries in account JWTs can be removed again, and there is somebody to close
// sessions.
func revokesJWTs() schema.Constraint {
	const key, lifetime, user = "revocation.jwt", "user_jwt.max_lifetime", "sessions.creds_file"
	check := func(v *schema.Values) []schema.Fault {
		var faults []schema.Fault
		if v.IsSet(key) && !v.IsSet(lifetime) {
			faults = append(faults, schema.Fault{
				Key: key, Message: "needs " + lifetime,
				Hint: "set it, or leave " + key + " out: the entry of a user JWT without an end would stay in the account JWT for good",
			})
		}
		if v.IsSet(key) && !v.IsSet(user) && !v.IsSet("sessions.nkey_file") {
			faults = append(faults, schema.Fault{Key: key, Message: "needs " + user, Hint: "set it to the credentials of a user of the system account, or leave " + key + " out"})
		}
		return faults
	}
	text := "With `" + key + "`, set `" + user + "` or `sessions.nkey_file`, and do not set `" + lifetime + "` to 0."
	return schema.Constraint{Keys: []string{key, lifetime, user, "sessions.nkey_file"}, Text: text, Check: check}
}

// limitsNeedUser is the constraint that usher hears of connections that end.
func limitsNeedUser() schema.Constraint {
	limits := []string{"sessions.limits.per_user", "sessions.limits.per_key", "sessions.limits.per_project"}
	check := func(v *schema.Values) (faults []schema.Fault) {
		if v.IsSet("sessions.user") || v.IsSet("sessions.nkey_file") || v.IsSet("sessions.creds_file") {
			return nil
		}
		for _, key := range limits {
			if v.Int(key) > 0 {
				faults = append(faults, schema.Fault{
					Key: key, Message: "needs a user of the system account: without one usher does not hear of connections that end",
					Hint: "set sessions.user, sessions.nkey_file or sessions.creds_file, or leave " + key + " out",
				})
			}
		}
		return faults
	}
	return schema.Constraint{Keys: limits, Text: "Set one of `sessions.user`, `sessions.nkey_file` and `sessions.creds_file` with `sessions.limits.per_user`, `sessions.limits.per_key` or `sessions.limits.per_project`.", Check: check}
}
