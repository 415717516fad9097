package operator

// SessionsInbox is the inbox prefix of the user of the system account with which usher lists
// and closes connections.
const SessionsInbox = "_INBOX_usher_sessions"

// SessionSubjects lists the subjects of that user. It can list and close the connections of
// every account, and nothing else.
func SessionSubjects() (publish, subscribe []string) {
	return []string{"$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.KICK"},
		[]string{
			SessionsInbox + ".>", "$SYS.ACCOUNT.*.CONNECT", "$SYS.ACCOUNT.*.DISCONNECT",
			"$SYS.ACCOUNT.*.CLIENT.AUTH.ERR", "$SYS.SERVER.*.CLIENT.AUTH.ERR",
		}
}
