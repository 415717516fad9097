package refusals

import (
	"slices"
	"strings"

	"usher/callout/keyusage"
)

// maxGroups bounds a report, which has to fit into one message of NATS.
const maxGroups = 8

// grouped returns refusals by account and class, the group with the latest one first.
func grouped(last []refusal) []keyusage.Refused {
	type key struct {
		account string
		class   Class
	}
	var out []keyusage.Refused
	index := map[key]int{}
	for i := len(last) - 1; i >= 0; i-- {
		x := &last[i]
		k := key{x.session.Grant.Account, x.class}
		at, ok := index[k]
		if !ok {
			if len(out) == maxGroups {
				continue
			}
			at = len(out)
			index[k] = at
			out = append(out, keyusage.Refused{
				Account: strings.Clone(k.account), Class: string(x.class), Reason: x.reason, Hint: x.hint, Last: x.at.UTC(),
				User: x.session.Identity.Name, RequestID: x.session.RequestID, Server: x.session.ServerName,
			})
		}
		out[at].Count++
		out[at].First = x.at.UTC()
	}
	return slices.Clip(out)
}
