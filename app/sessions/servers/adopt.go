package servers

import (
	"net/netip"
	"strings"

	"usher/callout/session"
	"usher/directory"
	"usher/tokens"
)

// adopt returns the session of a connection that came by auth callout and that no usher
// claims. Its user is what usher has named it when it was granted.
func (s *Servers) adopt(on serverInfo, c *client) *session.Session {
	x := &session.Session{
		ID: session.ID{Server: on.ID, Client: c.ID}, ServerName: on.Name, Adopted: true, Started: c.Start,
		Client: tokens.Client{
			Name: session.Clip(c.Name, session.MaxClientText), Lang: session.Clip(c.Lang, session.MaxClientText), Version: session.Clip(c.Version, session.MaxClientText),
			Kind: strings.Clone(c.Kind), Type: strings.Clone(c.Type),
		},
	}
	named := tokens.Credential{User: strings.Clone(c.User)}
	x.Identity.Name = named.UserName()
	x.Identity.Selection, _ = named.UserSelection() // none: it is only not known
	x.Grant.Account = s.cfg.AccountName(strings.Clone(c.Account))
	if c.Kind == "Leafnode" {
		x.Grant.Connection.Types = []string{string(directory.ConnectionLeafNode)}
	}
	if addr, err := netip.ParseAddr(c.Host); err == nil {
		x.Addr = addr.Unmap()
	}
	return x
}
