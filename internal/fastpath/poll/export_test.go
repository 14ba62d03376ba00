package poll

// Registered returns how many servers are known.
func Registered() (n int) {
	servers.Range(func(any, any) bool { n++; return true })
	return n
}
