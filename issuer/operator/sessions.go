package operator

// Subjects of the system account with which usher lists and closes connections. They name a
// server by its id.
const (
	SubjectConnz         = "$SYS.REQ.SERVER.%s.CONNZ"
	SubjectKick          = "$SYS.REQ.SERVER.%s.KICK"
	SubjectAccountCounts = "$SYS.REQ.ACCOUNT.PING.STATZ" // connections of each account, from every server
)

// SessionsInbox is the inbox prefix of the user of the system account with which usher lists
// and closes connections.
const SessionsInbox = "_INBOX_usher_sessions"

// SessionSubjects lists the subjects of that user. It can list and close the connections of
// every account, and nothing else. The first of subscribe is its inbox, the others are events.
func SessionSubjects() (publish, subscribe []string) {
	return []string{"$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.KICK", SubjectAccountCounts},
		[]string{
			SessionsInbox + ".>", "$SYS.ACCOUNT.*.CONNECT", "$SYS.ACCOUNT.*.DISCONNECT",
			"$SYS.SERVER.*.CLIENT.AUTH.ERR", "$SYS.SERVER.*.SHUTDOWN",
		}
}
