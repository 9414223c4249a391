ptf ~
days from ~     from          ~ for ~     interval      ~
release = ~         release            ~
