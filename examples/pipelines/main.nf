// nextflow run main.nf
// runs a sweep for each number of members. nextflow run main.nf -resume makes what is missing.
process sweep {
    cpus 2
    tag "members=${members}"
    publishDir "scores/members=${members}", mode: 'copy'

    input:
    path workflow
    each members

    output:
    path 'metrics.csv'

    script:
    """
    plume -q run ${workflow} --workers ${task.cpus} --set ensemble.size=${members} --in-process
    plume -q export @last --to scores --format csv --tables metrics
    mv scores/metrics.csv .
    """
}

workflow {
    sweep(file("${projectDir}/lorenz63.toml"), Channel.of(10, 20, 40))
}
