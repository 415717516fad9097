package push

import (
	"fmt"
)

// TextTime is the form of the time in a text of AMS, in UTC.
const TextTime = "2006-01-02T15:04:05"

// Text is the state in the words of AMS, as "pushStatus" of a subscription and as the answer
// of a push server. name is the full name of the subscription.
func (s State) Text(name string) string {
	switch s.Status {
	case StatusActive:
		return fmt.Sprintf("Subscription %s is currently active", name)
	case StatusRetrying:
		return fmt.Sprintf("%s - Could not send message, %s", s.Since.UTC().Format(TextTime), s.LastError)
	case StatusBlocked:
		return fmt.Sprintf("%s - Could not read messages, %s", s.Since.UTC().Format(TextTime), s.LastError)
	case StatusUnverified:
		return fmt.Sprintf("Subscription %s is not active: its endpoint is not verified", name)
	default:
		return fmt.Sprintf("Subscription %s is not active", name)
	}
}

// Unavailable is the text of AMS if the push server cannot be asked.
const Unavailable = "Push server is currently unavailable"
