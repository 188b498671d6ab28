SELECT id, name, package_type, description, managed_by, revision, created_at, updated_at,
       definition, secret
FROM repository
ORDER BY name
