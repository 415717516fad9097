package devserver

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// globalAccount is the account of users without an account in the configuration.
const globalAccount = "$G"

// defaultMaxPayload is the default of nats-server.
const defaultMaxPayload = 1 << 20

// File is what a nats-server.conf of config mode contains about authentication and
// storage.
type File struct {
	Callout    *Callout // nil: no auth_callout
	Accounts   []string
	Users      []StaticUser
	NoAuthUser string
	MaxPayload int64
	StoreDir   string // jetstream.store_dir; empty: not set, or no JetStream
	Operators  int    // number of operator JWTs; more than 0: the file is not for config mode

	Listen      string              // HOST:PORT for clients
	TLS         *TLS                // for clients; nil: none
	AllowNonTLS bool                // clients may do without it
	Gateway     *Gateway            // nil: none
	Monitoring  string              // HOST:PORT of HTTP monitoring; empty: it is off
	Shares      map[string][]string // exports and imports, by account
}

// Callout is authorization.auth_callout.
type Callout struct {
	Account, Issuer, XKey string
	AuthUsers             []string
	AllowedAccounts       []string
}

// StaticUser is a user in the file. Name is a user name or a public nkey.
type StaticUser struct {
	Name, Account      string
	Publish, Subscribe []string // nil: every subject
}

// Read parses a nats-server.conf as nats-server does, with the files that it includes
// and the files that it names, such as certificates. It starts no server.
func Read(path string) (*File, error) {
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	f := &File{
		NoAuthUser: opts.NoAuthUser, MaxPayload: int64(opts.MaxPayload), Operators: len(opts.TrustedOperators), StoreDir: opts.StoreDir,
		Listen: net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)), TLS: readTLS(opts.TLSConfig), AllowNonTLS: opts.AllowNonTLS,
		Gateway: readGateway(opts), Monitoring: monitoring(opts), Shares: readShares(path),
	}
	if f.MaxPayload == 0 {
		f.MaxPayload = defaultMaxPayload
	}
	if c := opts.AuthCallout; c != nil {
		f.Callout = &Callout{Account: c.Account, Issuer: c.Issuer, XKey: c.XKey, AuthUsers: c.AuthUsers, AllowedAccounts: c.AllowedAccounts}
		if c.Account == "" {
			f.Callout.Account = globalAccount
		}
	}
	for _, a := range opts.Accounts {
		f.Accounts = append(f.Accounts, a.Name)
	}
	for _, u := range opts.Users {
		f.Users = append(f.Users, staticUser(u.Username, u.Account, u.Permissions))
	}
	for _, u := range opts.Nkeys {
		f.Users = append(f.Users, staticUser(u.Nkey, u.Account, u.Permissions))
	}
	if opts.Username != "" {
		f.Users = append(f.Users, StaticUser{Name: opts.Username, Account: globalAccount})
	}
	return f, nil
}

func staticUser(name string, a *server.Account, p *server.Permissions) StaticUser {
	u := StaticUser{Name: name, Account: accountOf(a)}
	if p != nil {
		u.Publish, u.Subscribe = allows(p.Publish), allows(p.Subscribe)
	}
	return u
}

func accountOf(a *server.Account) string {
	if a == nil {
		return globalAccount
	}
	return a.Name
}

// Bypasses reports whether a static user connects without the auth callout: it is one of
// auth_users, or allowed_accounts is set and lacks its account.
func (c *Callout) Bypasses(u StaticUser) bool {
	delegated := u.Account == globalAccount || len(c.AllowedAccounts) == 0 || slices.Contains(c.AllowedAccounts, u.Account)
	return !delegated || slices.Contains(c.AuthUsers, u.Name)
}
