// Package service pushes the messages of the subscriptions of a directory: it joins the
// Worker of app/push, the shares of app/push/lease and the sources of app/push/jssource, and
// follows the directory. usher push runs it, and usher serve if push.inside is set.
//
// It promises that nothing is pushed by a configuration that the directory no longer has, nor
// by a process that may have lost the subscription to another one.
package service
