package session

import (
	"time"

	"usher/internal/audit"
)

// Closed returns the audit event of a session that usher has closed.
func (s *Session) Closed(at time.Time, why audit.ClosedCode) audit.SessionClosed {
	e := audit.SessionClosed{
		Time: at, Code: why,
		User: s.Identity.Name, Authority: string(s.Identity.Authority), IdentityID: s.Identity.ID,
		Method: string(s.Identity.Method), KeyID: s.Identity.KeyID, Account: s.Grant.Account,
		Started: s.Started, GrantedBy: s.RequestID, ClientID: s.ID.Client, ServerID: s.Server, ServerName: s.ServerName,
	}
	if s.Addr.IsValid() {
		e.ClientHost = s.Addr.String()
	}
	return e
}

// RefusedByServer returns the audit event of a session whose server did not accept its user
// JWT, for that reason.
func (s *Session) RefusedByServer(at time.Time, code, reason, hint string) audit.RefusedByServer {
	c := s.Closed(at, "")
	return audit.RefusedByServer{
		Time: at, RequestID: s.RequestID, Code: code, Cause: reason, Hint: hint,
		User: c.User, Authority: c.Authority, IdentityID: c.IdentityID, Method: c.Method, KeyID: c.KeyID, Account: c.Account,
		ClientHost: c.ClientHost, ClientID: c.ClientID, ServerID: c.ServerID, ServerName: c.ServerName,
	}
}
