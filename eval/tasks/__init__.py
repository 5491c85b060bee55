"""What is measured, task by task: one file each, as `eval.comparison.task` describes it."""

from eval.comparison.task import Task
from eval.tasks import deinterlace, denoise, film, remove, repair, television, upscale

ALL = denoise.TASK, film.TASK, upscale.TASK, television.TASK, deinterlace.TASK, repair.TASK, remove.TASK
TASKS: dict[str, Task] = {task.name: task for task in ALL}
